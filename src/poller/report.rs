//! What a round reports.

use std::collections::{BTreeMap, BTreeSet};

use crate::client::Failure;
use crate::platform::Refusal;
use crate::source::Malformed;

/// What is said where the lists have no entry, and nothing is asked without.
const NO_SUBJECTS: &str = "there are no subjects, as the lists came empty";

/// How a round went.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Whether any answer could be used: figures, none, or a refusal of a target.
    pub(super) usable: bool,
    /// Whether anything was asked but targets that had failed when they were last asked.
    pub(super) fresh: bool,
    /// What ended the round before its time.
    pub(super) ended: Option<Failure>,
    /// The last failure of a target, and how many there were.
    pub(super) failure: Option<Failure>,
    /// How many targets got no usable answer.
    pub(super) failures: usize,
    /// The last refusal of a target.
    pub(super) refusal: Option<Refusal>,
    /// How many targets were asked.
    pub(super) asked: usize,
    /// Platform fields that no gauge maps.
    pub(super) unmapped: BTreeSet<String>,
    /// Names of subjects.
    pub(super) names: BTreeMap<String, String>,
    /// What is wrong with the first figure that was left out.
    pub(super) first_invalid: Option<Malformed>,
    /// Of each union that was answered, by its key, which members are left out, in words.
    pub(super) left_out: BTreeMap<String, Option<String>>,
}

impl Report {
    /// Whether the source is up after a round, where it was so `before`: it is where an answer could be used.
    pub(super) fn is_up(&self, before: bool) -> bool {
        match &self.ended {
            Some(Failure::Denied(_)) => false,
            _ if self.usable => true,
            // Lists alone were asked for.
            Some(Failure::Unavailable(_)) if self.asked == 0 => false,
            Some(_) if self.asked == 0 => before && self.failures == 0,
            None if self.asked == 0 => true,
            // What failed before and fails again says nothing new of the others, which are settled.
            _ => before && !self.fresh,
        }
    }

    /// What went wrong in a round, with lists that may be `stale`, or `empty`.
    pub(super) fn fault(&self, stale: Option<&Failure>, empty: bool) -> Option<String> {
        match (&self.failure, stale) {
            (Some(failure), _) if self.failures < self.asked => {
                Some(format!("{} of {} targets failed, the last: {failure}", self.failures, self.asked))
            }
            (Some(failure), _) => Some(failure.to_string()),
            (None, Some(stale)) => Some(format!("the lists of an earlier day are in use: {stale}")),
            (None, None) => empty.then(|| NO_SUBJECTS.to_owned()),
        }
    }
}
