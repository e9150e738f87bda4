//! Pages as OpenMetrics text, through prometheus-client.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{self, Builder, available_parallelism};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::Page;
use super::body::Part;
use crate::source::{Api, Info, Table};

/// What `collector` encodes in about `length` bytes, without the line that ends an exposition.
pub(super) fn render(collector: impl Collector, length: usize) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(collector));
    // Growing by doubling would take three times as much, and leave holes behind.
    let mut page = String::with_capacity(length);
    // Writing to a string does not fail.
    let _ = text::encode_registry(&mut page, &registry);
    page
}

/// Below this many rows a thread costs more than it saves.
const ROWS_PER_THREAD: usize = 2_000;

/// More threads than this would take the machine from the scrapes.
const MOST_THREADS: usize = 4;

/// The parts of an API's page, of whose families several threads render and compress some each.
pub(super) fn parts(api: &'static Api, pages: &BTreeMap<String, Arc<Page>>, labels: &AccountLabels) -> Vec<Part> {
    let families: Vec<_> =
        api.tables.iter().flat_map(|table| (0..table.fields.len()).map(|field| (*table, field))).collect();
    let part = |families: &[Family]| {
        let families =
            Pages { title: api.title, families: families.to_vec(), pages: pages.clone(), labels: labels.clone() };
        let length = families.length();
        Part::new(render(families, length))
    };
    let rows: usize = pages.values().flat_map(|page| &page.tables).map(|(_, rows)| rows.len()).sum();
    let threads = available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS).min(rows / ROWS_PER_THREAD);
    if threads <= 1 {
        return vec![part(&families)];
    }
    thread::scope(|scope| {
        let shares = families.chunks(families.len().div_ceil(threads));
        // Where the machine has no thread left, this one does it.
        let spawn = |share| Builder::new().spawn_scoped(scope, move || part(share)).map_err(|_| share);
        let rendering: Vec<_> = shares.map(spawn).collect();
        let rendered =
            |thread: thread::ScopedJoinHandle<'_, Part>| thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        rendering.into_iter().map(|started| started.map_or_else(part, rendered)).collect()
    })
}

/// The labels that accounts give to all their series, by account; those without any are not in it.
pub(super) type AccountLabels = BTreeMap<String, Arc<[(String, String)]>>;

/// A table, and the place of a field in it.
type Family = (&'static Table, usize);

/// Some families of one API, over its pages by their accounts.
#[derive(Debug)]
struct Pages {
    title: &'static str,
    families: Vec<Family>,
    pages: BTreeMap<String, Arc<Page>>,
    labels: AccountLabels,
}

impl Pages {
    /// The samples of a family, with their accounts and labels.
    fn samples(&self, (table, field): Family) -> impl Iterator<Item = (&str, &[String], f64)> {
        self.pages.iter().flat_map(move |(account, page)| {
            let tables = page.tables.iter().filter(move |(other, _)| other.prefix == table.prefix);
            tables.flat_map(|(_, rows)| rows).filter_map(move |row| {
                Some((account.as_str(), row.labels.as_slice(), row.values.get(field).copied().flatten()?))
            })
        })
    }
}

impl Pages {
    /// How many bytes they take, roughly.
    fn length(&self) -> usize {
        let family = |family: &Family| {
            let (table, field) = *family;
            let names: usize = table.labels.iter().map(|label| label.len() + 4).sum();
            // With the name of the account's label, marks, and a value.
            let each = table.metric(&table.fields[field]).len() + names + 32;
            let lengths = self
                .samples(*family)
                .map(|(account, values, _)| each + account.len() + values.iter().map(String::len).sum::<usize>());
            lengths.sum::<usize>() + 512
        };
        self.families.iter().map(family).sum()
    }
}

impl Collector for Pages {
    /// A family must be in one piece, so the outer loop goes over the fields and the inner one over the accounts.
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.families {
            let (table, field) = (family.0, &family.0.fields[family.1]);
            let mut samples = self.samples(*family).peekable();
            // A family without samples is left out.
            if samples.peek().is_none() {
                continue;
            }
            let (name, help) = (table.metric(field), table.help(field, self.title));
            let mut metric = encoder.encode_descriptor(&name, &help, None, MetricType::Gauge)?;
            for (account, values, value) in samples {
                let added = self.labels.get(account).map_or(&[][..], |labels| labels);
                metric.encode_family(&Labels { account, names: table.labels, values, added })?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }
}

/// `account`, the labels of a row, and those of the account.
struct Labels<'a> {
    account: &'a str,
    names: &'static [&'static str],
    values: &'a [String],
    added: &'a [(String, String)],
}

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        ("account", self.account).encode(encoder.encode_label())?;
        for (name, value) in self.names.iter().zip(self.values) {
            (*name, value.as_str()).encode(encoder.encode_label())?;
        }
        for (name, value) in self.added {
            (name.as_str(), value.as_str()).encode(encoder.encode_label())?;
        }
        Ok(())
    }
}

/// The names of an info metric's ids, by account and id.
pub(super) type Names = BTreeMap<(String, String), IdName>;

/// What an info metric says of an id.
#[derive(Debug)]
pub(super) struct IdName {
    pub(super) parent: Option<String>,
    pub(super) name: String,
    /// The labels of the account.
    pub(super) labels: Arc<[(String, String)]>,
}

/// All info metrics, by their names.
#[derive(Debug, Default)]
pub(super) struct Infos(pub(super) BTreeMap<&'static str, (&'static Info, Names)>);

impl Collector for Infos {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (family, (info, names)) in &self.0 {
            if names.is_empty() {
                continue;
            }
            // The encoder adds the suffix.
            let family = family.strip_suffix("_info").unwrap_or(family);
            let mut metric = encoder.encode_descriptor(family, info.help, None, MetricType::Info)?;
            for ((account, id), IdName { parent, name, labels: added }) in names {
                let mut labels = vec![("account", account.as_str()), (info.id, id)];
                // Without a parent the label is empty, which Prometheus takes for absent.
                labels.extend(info.parent.map(|label| (label, parent.as_deref().unwrap_or_default())));
                labels.push(("name", name));
                labels.extend(added.iter().map(|(name, value)| (name.as_str(), value.as_str())));
                metric.encode_info(&labels)?;
            }
        }
        Ok(())
    }
}
