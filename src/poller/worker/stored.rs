//! What the store has of a worker's source: its lists, and what was answered for its targets.

use super::Worker;
use crate::day::{Day, Days};
use crate::poller::ledger::{Ledger, kept_days};
use crate::source::{Directory, Target};
use crate::store::StoreError;

impl Worker {
    /// The lists as they are stored; those that are not are empty.
    pub(super) async fn stored_directory(&self) -> Result<Directory, StoreError> {
        let mut directory = Directory::new();
        loop {
            let listings = self.config.source.listings(&directory, self.config.names);
            if listings.is_empty() {
                return Ok(directory);
            }
            for listing in listings {
                let list = self.context.discovery.stored(&self.config.account, &listing).await?;
                directory.insert(listing.key, list);
            }
        }
    }

    /// What is known of `targets` for `day`.
    pub(super) async fn ledger(&self, day: Day, targets: Vec<Target>) -> Result<Ledger, StoreError> {
        let has_children = targets.iter().any(|target| target.after.is_some());
        // What a page can be made of is remembered for the time in which a disk hangs.
        let shown = self.health.shown().map(|shown| kept_days(&targets, shown)).unwrap_or_default();
        let mut ledger = Ledger::new(day, self.config.lookback_days, targets);
        let (source, account) = (self.config.source.api().name, &self.config.account.name);
        let kept = [ledger.days(), ledger.days_at(day.plus(-1)), shown].concat();
        self.context.store.remember(source, account, &kept);
        let mut days = ledger.days();
        if has_children {
            days.extend(Days::ending(day, self.config.lookback_days).iter());
            days.sort_unstable();
            days.dedup();
        }
        for day in days {
            for answer in self.context.store.answers(source, account, Days::one(day)).await? {
                ledger.note(answer);
            }
        }
        if ledger.lacks_answers() {
            // Refusals of yesterday are mostly those of today.
            for day in ledger.days_at(day.plus(-1)) {
                for answer in self.context.store.answers(source, account, Days::one(day)).await? {
                    ledger.note_day_before(&answer);
                }
            }
        }
        ledger.recall(&self.memory);
        Ok(ledger)
    }
}
