//! A source whose people have pseudonyms.

use std::sync::Arc;

use super::api::{Api, Info, Source};
use super::listing::{Directory, ListRequest};
use super::pseudonyms::Pseudonyms;
use super::target::{Subject, Target};
use crate::day::{Days, Zone};
use crate::platform::Call;

/// A source whose targets and rows name people by pseudonyms.
#[derive(Debug)]
pub struct PseudonymizedSource {
    source: Box<dyn Source>,
    pseudonyms: Arc<Pseudonyms>,
}

impl PseudonymizedSource {
    /// `source`, with `pseudonyms`.
    #[must_use]
    pub fn new(source: Box<dyn Source>, pseudonyms: Arc<Pseudonyms>) -> Self {
        Self { source, pseudonyms }
    }
}

impl Source for PseudonymizedSource {
    fn api(&self) -> &'static Api {
        self.source.api()
    }

    fn listings(&self, directory: &Directory, names: bool) -> Vec<ListRequest> {
        self.source.listings(directory, names)
    }

    fn targets(&self, directory: &Directory) -> Vec<Target> {
        let mut targets = self.source.targets(directory);
        // Parents are never people, so `after` needs no rewriting.
        for target in &mut targets {
            self.pseudonyms.hide(target.table, &mut target.labels);
            // Either the definition lists the members of a team, or rows bring people, whose ids must not stay on show
            // when they are given pseudonyms, or others. It is only compared.
            let brings_people = target.subject == Subject::Listed && target.table.names_people();
            if !target.definition.is_empty() || brings_people {
                target.definition = self.pseudonyms.of(&target.definition);
            }
            target.pseudonyms = Some(Arc::clone(&self.pseudonyms));
        }
        targets
    }

    fn calls(&self, targets: &[&Target], days: Days, zone: &Zone) -> Vec<Call> {
        self.source.calls(targets, days, zone)
    }

    fn names(&self) -> Vec<(&'static Info, String)> {
        self.source.names()
    }
}
