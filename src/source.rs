//! The statistics APIs: their targets, their calls, and what their fields mean.
//!
//! A source is one API of one account. Each API is one file below this one; it holds the typed parameters of its
//! block of the configuration, its targets and requests, and one declarative field table. Adding an API is such a
//! file, its `mod` line and its line in [`BLOCKS`].

mod decode;
mod feishu_message_push;
mod listing;
mod pseudonyms;
mod selection;
mod shape;
mod table;
mod tencent_desk_agent;
mod wecom_contact;
mod wecom_directory;
mod wecom_groupchat;
mod wecom_kf;

use std::fmt;
use std::time::Duration;

use crate::day::{Cycle, Day, Days, Zone};
use crate::platform::{Call, Platform};
use crate::yaml::Key;

pub use decode::{DecodedAnswer, Decoder, InvalidFigures, Malformed, Query, decode};
pub use listing::{Carrier, Directory, Entry, ListEntry, ListPaging, ListRequest, Need, lists_people};
pub use pseudonyms::{PseudonymizedSource, Pseudonyms, RealIds};
pub use selection::Selection;
pub use shape::{NoRows, Paging, Shape};
pub use table::{Combine, Field, Span, Table, Unit, person_key};

/// Every block that an account of the configuration may have: a new API is a line here.
pub const BLOCKS: &[&Block] = &[
    &wecom_contact::BLOCK,
    &wecom_groupchat::BLOCK,
    &wecom_kf::BLOCK,
    &tencent_desk_agent::BLOCK,
    &feishu_message_push::BLOCK,
];

/// Every API, in the order in which they are shown.
#[must_use]
pub fn apis() -> Vec<&'static Api> {
    BLOCKS.iter().flat_map(|block| block.apis).copied().collect()
}

/// The names of all labels that series may have, of whatever table or info metric; some come more than once.
pub fn labels() -> impl Iterator<Item = &'static str> {
    let of_api = |api: &'static Api| {
        let infos = api.infos.iter().flat_map(|info| [Some(info.id), info.parent, Some("name")].into_iter().flatten());
        api.tables.iter().flat_map(|table| table.labels).copied().chain(infos)
    };
    ["account", "source", "api", "state", "outcome"].into_iter().chain(apis().into_iter().flat_map(of_api))
}

/// A block of an account of the configuration, which asks for sources.
#[derive(Debug)]
pub struct Block {
    /// The platform whose accounts have it.
    pub platform: &'static dyn Platform,
    /// Its key.
    pub name: &'static str,
    /// The APIs that it can make sources of.
    pub apis: &'static [&'static Api],
    /// The parameters of an empty one.
    pub new: fn() -> Box<dyn Params>,
}

/// One statistics API.
#[derive(Debug)]
pub struct Api {
    /// The source's name, such as `wecom_contact`.
    pub name: &'static str,
    /// The name for people, such as `WeCom customer contact`.
    pub title: &'static str,
    /// The platform.
    pub platform: &'static dyn Platform,
    /// The value of the `api` label.
    pub path: &'static str,
    /// The platform's page about it.
    pub page: &'static str,
    /// Its tables.
    pub tables: &'static [&'static Table],
    /// Where an answer holds what.
    pub shape: Shape,
    /// The most days that a request may span.
    pub days_per_call: u32,
    /// How many targets a request may be for.
    pub batch: usize,
    /// How many members of a [`Target::members`] a request may be for.
    pub union: usize,
    /// The hour of the day from which figures are ready, unless configured.
    pub ready_hour: i8,
    /// How many days later, unless configured.
    pub lag_days: u16,
    /// How often settled targets are asked again, unless configured.
    pub refresh_interval: Duration,
    /// How many days back the platform keeps figures, where it says so.
    pub keeps_days: Option<u32>,
    /// The codes by which it refuses a day that it does not keep, or that is not over.
    pub date_codes: &'static [i64],
    /// The info metrics of its subjects.
    pub infos: &'static [&'static Info],
    /// The one of them whose names come with the figures.
    pub row_names: Option<&'static Info>,
}

/// An info metric: the names of ids.
#[derive(Debug)]
pub struct Info {
    /// The family's name, with `_info`.
    pub name: &'static str,
    /// HELP.
    pub help: &'static str,
    /// The label of the id.
    pub id: &'static str,
    /// The label of its parent's id, where that is shown.
    pub parent: Option<&'static str>,
    /// Whether these are names of people, which are shown only with `names: true`.
    pub people: bool,
}

/// What succeeds or fails as a whole: one subject, or one list, of one table.
#[derive(Clone, Debug)]
pub struct Target {
    /// The table that its figures go to.
    pub table: &'static Table,
    /// The values of the first labels of the table; all of them, or all but the one that rows bring.
    pub labels: Vec<String>,
    /// The real ids at the platform, where people have pseudonyms.
    pub hidden: Option<RealIds>,
    /// The period that its figures cover.
    pub cycle: Cycle,
    /// Whom it is made of, where it is a union whose parts can be asked one by one and added up.
    pub members: Vec<String>,
    /// Whether the configuration names these: without one of them, it would be another union.
    pub is_written: bool,
    /// The [`Target::key`] of the target that must have figures before this one is asked for.
    pub after: Option<String>,
    /// What the configuration says it is made of: an answer for another definition is no answer.
    pub definition: String,
}

/// Whether a target says itself what its rows are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// It names the one subject of its rows.
    Named,
    /// Its rows bring their subjects: it is a list of them.
    Listed,
}

impl Target {
    /// The target of one subject, or of a list of them where a label is missing.
    #[must_use]
    pub fn of(table: &'static Table, labels: Vec<String>) -> Self {
        Self {
            table,
            labels,
            hidden: None,
            cycle: Cycle::Day,
            members: vec![],
            is_written: false,
            after: None,
            definition: String::new(),
        }
    }

    /// Whether it names the subject of its rows.
    #[must_use]
    pub fn subject(&self) -> Subject {
        if self.labels.len() < self.table.labels.len() { Subject::Listed } else { Subject::Named }
    }

    /// The values of [`Target::labels`] by which the platform knows it.
    #[must_use]
    pub fn ids(&self) -> &[String] {
        self.hidden.as_ref().map_or(&self.labels, |hidden| &hidden.ids)
    }

    /// The labels of a row about `subject`, where rows bring the last one.
    #[must_use]
    pub fn labels_with(&self, subject: String) -> Vec<String> {
        let mut labels: Vec<_> = self.labels.iter().cloned().chain([subject]).collect();
        if let Some(hidden) = &self.hidden {
            hidden.hide(self.table, &mut labels);
        }
        labels
    }

    /// What tells it from all others of its source, also in the store.
    #[must_use]
    pub fn key(&self) -> String {
        Self::key_of(self.table, &self.labels)
    }

    /// The [`Target::key`] of the target of `table` with these labels.
    #[must_use]
    pub fn key_of(table: &Table, labels: &[String]) -> String {
        let mut key = String::with_capacity(table.prefix.len() + 16 * (labels.len() + 1));
        key.push_str(table.prefix);
        if labels.is_empty() {
            key.push('/');
        }
        for label in labels {
            key.push('/');
            for part in label.split_inclusive(['\\', '/']) {
                match part.strip_suffix(['\\', '/']) {
                    Some(before) => key.extend([before, "\\", &part[before.len()..]]),
                    None => key.push_str(part),
                }
            }
        }
        key
    }

    /// The days that are asked for when `target_day` is the source's target day, `lookback` days of it in one call.
    #[must_use]
    pub fn days(&self, target_day: Day, lookback: u32) -> Days {
        match self.cycle {
            Cycle::Day => Days::ending(target_day, lookback),
            longer => longer.newest_complete(target_day),
        }
    }

    /// The day under which its figures are kept when `target_day` is the source's target day.
    #[must_use]
    pub fn day(&self, target_day: Day) -> Day {
        self.cycle.newest_complete(target_day).last
    }
}

/// One configured use of an API: the targets that it is asked about.
pub trait Source: fmt::Debug + Send + Sync {
    /// The API.
    fn api(&self) -> &'static Api;
    /// The lists that are needed and not yet in `directory`; asked again until there are none.
    fn listings(&self, directory: &Directory, names: bool) -> Vec<ListRequest>;
    /// The targets, parents before their children.
    fn targets(&self, directory: &Directory) -> Vec<Target>;
    /// The calls for these targets (of one table, at most [`Api::batch`]) and days of `zone`; their answers are added
    /// up.
    fn calls(&self, targets: &[&Target], days: Days, zone: &Zone) -> Vec<Call>;
    /// The info metric and the list that give the names of its subjects.
    fn names(&self) -> Vec<(&'static Info, String)> {
        Vec::new()
    }
}

/// The typed parameters of one block.
pub trait Params: fmt::Debug {
    /// The keys that are its own, and where their values go.
    fn keys(&mut self) -> Vec<Key<'_>>;
    /// Adds what is wrong with them, each with its key below `path`.
    fn check(&self, path: &str, faults: &mut Vec<String>);
    /// Adds what is allowed and most likely a mistake, each with its key below `path`.
    fn warn(&self, _path: &str, _warnings: &mut Vec<String>) {}
    /// The sources that they ask for, in the account with credential id `id`, which may come after the block in the
    /// file.
    fn sources(self: Box<Self>, id: &str) -> Vec<Box<dyn Source>>;
}

#[cfg(test)]
mod tests;
