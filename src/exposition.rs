//! The pages that are shown, as bytes: rendered when they change, not when they are scraped.
//!
//! A part is some families of one API across all accounts, since a family must be in one piece; the info metrics
//! of all APIs are a part too. A scrape joins the parts that are current at that moment and renders only the
//! exporter's own metrics. What it joined stays its own: a client that reads slowly holds no lock and sees no mixture.

mod body;
mod format;
mod render;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};

use crate::day::Day;
use crate::sample::Row;
use crate::source::{Api, Info, ListEntry, Table};
use crate::telemetry::Telemetry;

use body::Part;
use render::{AccountLabels, IdName, Infos, parts, render};

pub use body::Scrape;
pub use format::Format;

/// How old own metrics may be where only the time and the count of requests have moved on: however many scrape, they
/// are not rendered more often than 20 times a second.
const OWN_AGE: Duration = Duration::from_millis(50);

/// What one source shows of one account: figures of one day.
#[derive(Clone, Debug)]
pub struct Page {
    /// The day.
    pub day: Day,
    /// The rows of each of the API's tables.
    pub tables: Vec<(&'static Table, Vec<Row>)>,
}

/// The names that one list gives to an info metric.
#[derive(Clone, Debug)]
pub struct NamePage {
    /// The info metric.
    pub info: &'static Info,
    /// The entries of the list; those without a name are not shown.
    pub names: Vec<ListEntry>,
}

/// The pages of all sources, ready to be sent.
///
/// Cloning gives another handle to the same pages.
#[derive(Clone)]
pub struct Exposition(Arc<Inner>);

struct Inner {
    telemetry: Telemetry,
    apis: Vec<&'static Api>,
    /// By API; locked while a part is rendered, never by a scrape.
    pages: Vec<Mutex<ApiPages>>,
    /// The days of these pages, by the place of the API and the account; locked for a moment only.
    days: Mutex<BTreeMap<(usize, String), Day>>,
    /// By the place of the API and the account.
    names: Mutex<BTreeMap<(usize, String), Vec<NamePage>>>,
    /// The own metrics, the state of the telemetry that they show, and when they were rendered.
    own: Mutex<Option<(Part, u64, Instant)>>,
    /// Locked for the time of a copy.
    snapshot: RwLock<Arc<Snapshot>>,
}

/// What is shown of one API, by account.
#[derive(Clone, Default)]
struct ApiPages {
    pages: BTreeMap<String, Arc<Page>>,
    /// The labels that the account gives to all its series.
    labels: AccountLabels,
}

#[derive(Clone, Default)]
struct Snapshot {
    apis: Vec<Vec<Part>>,
    infos: Part,
}

impl Exposition {
    /// Starts with no page of any of `apis`, which are shown in this order.
    #[must_use]
    pub fn new(telemetry: Telemetry, apis: &[&'static Api]) -> Self {
        let snapshot = Snapshot { apis: vec![Vec::new(); apis.len()], infos: Part::default() };
        Self(Arc::new(Inner {
            telemetry,
            apis: apis.to_vec(),
            pages: apis.iter().map(|_| Mutex::default()).collect(),
            days: Mutex::default(),
            names: Mutex::default(),
            own: Mutex::default(),
            snapshot: RwLock::new(Arc::new(snapshot)),
        }))
    }

    /// The names of the APIs, which a scrape can select by.
    pub fn sources(&self) -> impl Iterator<Item = &'static str> {
        self.0.apis.iter().map(|api| api.name)
    }

    /// Replaces what is shown of `api` and `account`, all families at once; gives the number of series of `page`.
    ///
    /// Renders and compresses the API's parts, by several threads where they are large: blocks for tens of milliseconds
    /// with 100,000 series.
    pub fn publish(&self, api: &'static Api, account: &str, page: Option<Page>) -> usize {
        let Some(place) = self.place(api) else { return 0 };
        let mut shown = self.0.pages[place].lock();
        // Shown are only pages that were rendered.
        let mut pages = shown.pages.clone();
        let series = match page {
            Some(mut page) => {
                page.tables.iter_mut().for_each(|(_, rows)| tidy(rows));
                let series = page.tables.iter().flat_map(|(_, rows)| rows).map(Row::series).sum();
                // Most refreshes change nothing.
                if pages.get(account).is_some_and(|shown| **shown == page) {
                    return series;
                }
                pages.insert(account.to_owned(), Arc::new(page));
                series
            }
            None => {
                if pages.remove(account).is_none() {
                    return 0;
                }
                0
            }
        };
        self.show(place, account, &mut shown, pages);
        series
    }

    /// The day of the page that is shown of `api` and `account`.
    #[must_use]
    pub fn day(&self, api: &Api, account: &str) -> Option<Day> {
        let days = self.0.days.lock();
        days.get(&(self.place(api)?, account.to_owned())).copied()
    }

    /// The rows of `table` of `day` among those that are shown of `api` and `account`. It waits while the page is
    /// rendered.
    #[must_use]
    pub fn rows(&self, api: &Api, account: &str, table: &Table, day: Day) -> Vec<Row> {
        let page = self.place(api).and_then(|place| self.0.pages[place].lock().pages.get(account).cloned());
        let tables = page.iter().flat_map(|page| &page.tables).filter(|(other, _)| other.prefix == table.prefix);
        tables.flat_map(|(_, rows)| rows).filter(|row| row.day == day).cloned().collect()
    }

    /// Shows no figures of `api` and `account` any more where these are of `day`; tells whether they were.
    ///
    /// Renders like [`Exposition::publish`].
    pub fn take_down(&self, api: &'static Api, account: &str, day: Day) -> bool {
        let Some(place) = self.place(api) else { return false };
        let mut shown = self.0.pages[place].lock();
        if shown.pages.get(account).is_none_or(|page| page.day != day) {
            return false;
        }
        let mut pages = shown.pages.clone();
        pages.remove(account);
        self.show(place, account, &mut shown, pages);
        true
    }

    /// Gives all series of `api` and `account` these labels beside their own, from now on. Blocks like
    /// [`Exposition::publish`] where they are others than before.
    pub fn label(&self, api: &'static Api, account: &str, labels: &Arc<[(String, String)]>) {
        let Some(place) = self.place(api) else { return };
        let mut shown = self.0.pages[place].lock();
        if shown.labels.get(account).map_or(labels.is_empty(), |known| known == labels) {
            return;
        }
        if labels.is_empty() {
            shown.labels.remove(account);
        } else {
            shown.labels.insert(account.to_owned(), Arc::clone(labels));
        }
        if shown.pages.contains_key(account) {
            let parts = parts(api, &shown.pages, &shown.labels);
            self.swap(|snapshot| snapshot.apis[place] = parts);
        }
        drop(shown);
        self.render_names(&self.0.names.lock());
    }

    /// Replaces the names that the lists of `api` and `account` give.
    ///
    /// Where several lists name one id, the first in the order of the APIs counts.
    pub fn publish_names(&self, api: &'static Api, account: &str, names: Vec<NamePage>) {
        let Some(place) = self.place(api) else { return };
        let mut all = self.0.names.lock();
        let key = (place, account.to_owned());
        // They come with every page, and seldom bring anything new.
        if all.get(&key).map_or(names.is_empty(), |shown| *shown == names) {
            return;
        }
        if names.is_empty() {
            all.remove(&key);
        } else {
            all.insert(key, names);
        }
        self.render_names(&all);
    }

    /// Renders the info metrics anew; under the lock of `all`, or older ones could replace newer ones.
    fn render_names(&self, all: &BTreeMap<(usize, String), Vec<NamePage>>) {
        let mut infos = Infos::default();
        for ((place, account), pages) in all {
            let shown = self.0.pages[*place].lock();
            let labels = shown.labels.get(account).cloned().unwrap_or_default();
            drop(shown);
            for page in pages {
                let (_, names) = infos.0.entry(page.info.name).or_insert_with(|| (page.info, BTreeMap::new()));
                for found in &page.names {
                    if let Some(name) = &found.name {
                        let key = (account.clone(), found.id.clone());
                        let named =
                            || IdName { parent: found.parent.clone(), name: name.clone(), labels: labels.clone() };
                        names.entry(key).or_insert_with(named);
                    }
                }
            }
        }
        let part = Part::new(render(infos, 0));
        self.swap(|snapshot| snapshot.infos = part);
    }

    /// Shows nothing of `api` and `account` any more, neither figures nor names.
    pub fn remove(&self, api: &'static Api, account: &str) {
        self.publish(api, account, None);
        self.publish_names(api, account, Vec::new());
        self.label(api, account, &Arc::default());
    }

    /// The page as it is now, with the figures of the APIs of those names only where `collect` is given.
    #[must_use]
    pub fn scrape(&self, format: Format, gzip: bool, collect: Option<&[&str]>) -> Scrape {
        let snapshot = Arc::clone(&self.0.snapshot.read());
        let wanted = |api: &Api| collect.is_none_or(|names| names.contains(&api.name));
        let apis = self.0.apis.iter().zip(&snapshot.apis);
        let mut parts: Vec<_> = apis.filter(|(api, _)| wanted(api)).flat_map(|(_, parts)| parts).collect();
        if self.0.apis.iter().any(|api| wanted(api) && !api.infos.is_empty()) {
            parts.push(&snapshot.infos);
        }
        let own = self.own();
        parts.push(&own);
        Scrape::new(format, gzip, &parts)
    }

    /// The exporter's own metrics, and the end of the page.
    fn own(&self) -> Part {
        let version = self.0.telemetry.version();
        let mut own = self.0.own.lock();
        match &*own {
            Some((part, rendered, at)) if *rendered == version && at.elapsed() < OWN_AGE => part.clone(),
            _ => {
                let part = Part::new(self.0.telemetry.render() + "# EOF\n");
                *own = Some((part.clone(), version, Instant::now()));
                part
            }
        }
    }

    /// Renders `pages`, in which that of `account` has changed, and shows them. Their lock is held: else older parts
    /// could replace newer ones.
    fn show(&self, place: usize, account: &str, shown: &mut ApiPages, pages: BTreeMap<String, Arc<Page>>) {
        let parts = parts(self.0.apis[place], &pages, &shown.labels);
        self.swap(|snapshot| snapshot.apis[place] = parts);
        let key = (place, account.to_owned());
        let mut days = self.0.days.lock();
        match pages.get(account) {
            Some(page) => days.insert(key, page.day),
            None => days.remove(&key),
        };
        shown.pages = pages;
    }

    fn place(&self, api: &Api) -> Option<usize> {
        self.0.apis.iter().position(|known| known.name == api.name)
    }

    fn swap(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut current = self.0.snapshot.write();
        let mut next = Snapshot::clone(&current);
        change(&mut next);
        *current = Arc::new(next);
    }
}

impl fmt::Debug for Exposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exposition").finish_non_exhaustive()
    }
}

impl PartialEq for Page {
    fn eq(&self, other: &Self) -> bool {
        self.day == other.day
            && self.tables.len() == other.tables.len()
            && self
                .tables
                .iter()
                .zip(&other.tables)
                .all(|(one, other)| one.0.prefix == other.0.prefix && one.1 == other.1)
    }
}

impl PartialEq for NamePage {
    fn eq(&self, other: &Self) -> bool {
        self.info.name == other.info.name && self.names == other.names
    }
}

/// Sorts rows by their labels and drops repeated ones: two series of one name would cost Prometheus the whole page.
fn tidy(rows: &mut Vec<Row>) {
    rows.sort_by(|a, b| a.labels.cmp(&b.labels));
    rows.dedup_by(|a, b| a.labels == b.labels);
    rows.shrink_to_fit();
}

/// A strict reader of pages, which the end-to-end tests use too.
#[cfg(test)]
#[path = "../tests/lint.rs"]
mod lint;
#[cfg(test)]
mod tests;
