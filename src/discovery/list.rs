//! What a list is on its way: fetched, cached for the day, and resolved for those who need it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::client::Failure;
use crate::day::Day;
use crate::source::{Directory, ListEntry, ListRequest, Malformed};
use crate::store::StoreError;

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The platform did not give it, and none is stored.
    #[error("cannot list {list}: {failure}")]
    Platform {
        /// The list's key.
        list: String,
        /// What happened.
        #[source]
        failure: Failure,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The lists of a source.
#[derive(Debug, Default)]
pub struct Lists {
    /// The lists by their keys.
    pub directory: Directory,
    /// Why one of them is older.
    pub stale: Option<Failure>,
    /// The lists of names that are to be fetched when the figures are there: until then the stored ones serve.
    pub names: Vec<ListRequest>,
    /// What the operator should know of lists that serve: which are empty, and what is left out.
    pub notes: Vec<String>,
}

/// A list, and whether it is today's.
#[derive(Clone, Debug)]
pub struct ResolvedList {
    /// The entries, each once, in the platform's order.
    pub list: Arc<Vec<ListEntry>>,
    /// Why this is not today's list, where it is not.
    pub stale: Option<Failure>,
    /// What it lacks, and what to do about it, in words: all of it, or another list that it is made of.
    pub lacks: Option<String>,
    /// What of it was left out as it can't be read, in words.
    pub odd: Option<String>,
}

/// How long an empty list serves, or one that lacks another, until it is asked for again: mostly something is yet to be
/// set at the platform.
pub(crate) const EMPTY_AGAIN: SignedDuration = SignedDuration::from_mins(30);

/// A list as it was fetched last.
#[derive(Clone, Debug)]
pub(super) struct CachedList {
    pub(super) day: Day,
    pub(super) list: Arc<Vec<ListEntry>>,
    /// When; `None` of one that another run fetched.
    pub(super) at: Option<Timestamp>,
    /// Another list that it lacks, in words.
    pub(super) lacks: Option<String>,
    /// What of it can't be read, in words.
    pub(super) odd: Option<String>,
}

impl CachedList {
    /// A whole list of `day`.
    pub(super) fn whole(day: Day, list: Arc<Vec<ListEntry>>, at: Option<Timestamp>) -> Self {
        Self { day, list, at, lacks: None, odd: None }
    }

    /// The list as today's, of which `listing` asked.
    pub(super) fn resolved(&self, listing: &ListRequest) -> ResolvedList {
        let is_empty = self.list.is_empty();
        let empty = || Some(format!("the list {} is empty: {}", listing.key, listing.when_empty.filter(|_| is_empty)?));
        let (lacks, odd) = (self.lacks.clone().or_else(empty), self.odd.clone());
        ResolvedList { list: Arc::clone(&self.list), stale: None, lacks, odd }
    }
}

/// What the pages of a list gave.
#[derive(Default)]
pub(super) struct FetchedList {
    pub(super) list: Vec<ListEntry>,
    pub(super) lacks: Option<String>,
    /// Whether what it lacks may be there when it is asked for again.
    pub(super) passes: bool,
    pub(super) odd: usize,
    pub(super) first_odd: Option<Malformed>,
}

/// A list, and why the platform does not answer now, where it does not.
pub(super) struct Resolution {
    pub(super) list: ResolvedList,
    pub(super) silent: Option<Failure>,
}

impl From<ResolvedList> for Resolution {
    fn from(list: ResolvedList) -> Self {
        Self { list, silent: None }
    }
}
