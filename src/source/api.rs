//! What a statistics API is: its description, the block of the configuration that asks for it, and its sources.

use std::fmt;
use std::time::Duration;

use super::listing::{Directory, ListRequest};
use super::shape::Shape;
use super::table::Table;
use super::target::Target;
use crate::day::{Days, Zone};
use crate::platform::{Call, Platform};
use crate::yaml::Key;

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
    /// How many members of a union a request may be for; 0 where targets are no unions that are asked in parts.
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
    pub date_codes: &'static [&'static str],
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
