//! What a backfill has done: while it goes on, and when it is over.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::day::{Cycle, Day, Days};
use crate::platform::ErrorCode;

/// How many calls are made and how many there are at most; others may read it while a plan is carried out.
#[derive(Debug, Default)]
pub struct Progress {
    pub(super) done: AtomicU64,
    pub(super) most: AtomicU64,
}

impl Progress {
    /// The calls that were made, without repeats and further pages.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// The most calls that there will be in all, as far as is known by now.
    pub fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }
}

/// How a backfill of one source went.
#[derive(Debug, Default)]
pub struct Summary {
    /// The calls that were made, without repeats and further pages.
    pub calls: u64,
    /// How many targets the platform refused.
    pub refused: usize,
    /// The figures that were left out.
    pub invalid: Invalid,
    /// What is missing still, and why.
    pub troubles: Vec<Trouble>,
    /// The days that the platform no longer has.
    pub edges: Vec<Edge>,
}

/// Figures that were left out of answers, as they can't be right.
#[derive(Clone, Debug, Default)]
pub struct Invalid {
    /// How many.
    pub figures: usize,
    /// What is wrong with the first of them.
    pub first: Option<String>,
}

/// Something that could not be fetched; asked again by the next backfill.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// How many targets' ranges of days are concerned.
    pub ranges: usize,
    /// The key of one of the targets; empty where all of them are concerned.
    pub example: String,
    /// The first and the last of the days.
    pub days: Days,
    /// Why.
    pub failure: String,
}

/// Where the platform's memory ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The figures of which cycle.
    pub cycle: Cycle,
    /// The newest day (of a week or month: its last) that the platform does not have.
    pub day: Day,
    /// Its code.
    pub code: ErrorCode,
}
