//! Questions that are asked several at once: those of a round, and those about past days.

use std::collections::HashMap;
use std::future::Future;

use tokio::task::{Id, JoinError, JoinSet};

use super::ask::Answers;
use crate::client::Failure;

/// After this many questions in a row that the platform could not answer, there is little hope for the next one.
pub(crate) const UNAVAILABLE_IN_A_ROW: usize = 5;

/// The questions under way, each with what its asker has to know when the answers come.
///
/// Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Runner<T> {
    most: usize,
    running: JoinSet<Answers>,
    under_way: HashMap<Id, T>,
    /// How many questions in a row the platform could not answer.
    unavailable: usize,
}

impl<T> Runner<T> {
    /// A runner that asks `most` questions at once.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, running: JoinSet::new(), under_way: HashMap::new(), unavailable: 0 }
    }

    /// Whether another question may be asked now.
    pub(crate) fn has_room(&self) -> bool {
        self.running.len() < self.most.max(1)
    }

    /// Whether no question is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// What is under way.
    pub(crate) fn under_way(&self) -> impl Iterator<Item = &T> {
        self.under_way.values()
    }

    /// How many questions in a row, up to the last one, the platform could not answer.
    pub(crate) fn unavailable_in_a_row(&self) -> usize {
        self.unavailable
    }

    /// Begins to ask a question.
    pub(crate) fn start(&mut self, about: T, asking: impl Future<Output = Answers> + Send + 'static) {
        let task = self.running.spawn(asking).id();
        self.under_way.insert(task, about);
    }

    /// Waits for the next question that has its answers: none where it broke off, which the log tells. `None` where
    /// nothing is under way. Where this is cancelled, nothing is lost.
    pub(crate) async fn next(&mut self) -> Option<(T, Option<Answers>)> {
        let ended = self.running.join_next_with_id().await?;
        self.take(ended)
    }

    /// A question that has its answers already.
    pub(crate) fn try_next(&mut self) -> Option<(T, Option<Answers>)> {
        let ended = self.running.try_join_next_with_id()?;
        self.take(ended)
    }

    fn take(&mut self, ended: Result<(Id, Answers), JoinError>) -> Option<(T, Option<Answers>)> {
        let (task, answers) = match ended {
            Ok((task, answers)) => (task, Some(answers)),
            Err(error) => {
                tracing::error!("a question broke off: {error}");
                (error.id(), None)
            }
        };
        let last = answers.as_ref().and_then(|answers| answers.failed.last());
        let is_unavailable = matches!(last, Some((_, Failure::Unavailable(_))));
        self.unavailable = if is_unavailable { self.unavailable + 1 } else { 0 };
        Some((self.under_way.remove(&task)?, answers))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::{Filter, Target, apis};

    fn failed(failure: Failure) -> Answers {
        let target = Target::named(apis()[0].tables[0], vec!["a".to_owned()], Filter::default());
        Answers { failed: vec![(Arc::new(target), failure)], ..Answers::default() }
    }

    #[tokio::test]
    async fn no_more_questions_are_under_way_than_may_be() {
        let mut runner = Runner::new(2);
        assert!(runner.is_idle() && runner.next().await.is_none());
        for about in ["a", "b"] {
            assert!(runner.has_room(), "{about}");
            runner.start(about, async { Answers::default() });
        }
        assert!(!runner.has_room());
        let (first, _) = runner.next().await.unwrap();
        assert!(runner.has_room() && !runner.is_idle());
        assert_eq!(runner.under_way().collect::<Vec<_>>(), [if first == "a" { &"b" } else { &"a" }]);
    }

    #[tokio::test]
    async fn silence_is_counted_until_the_platform_says_anything() {
        let mut runner = Runner::new(1);
        let silence = || failed(Failure::Unavailable("no answer".to_owned()));
        let mut counts = Vec::new();
        for answers in
            [silence(), silence(), failed(Failure::Malformed("odd".to_owned())), silence(), Answers::default()]
        {
            runner.start((), async { answers });
            runner.next().await;
            counts.push(runner.unavailable_in_a_row());
        }
        assert_eq!(counts, [1, 2, 0, 1, 0]);
    }

    #[tokio::test]
    async fn a_question_that_breaks_off_is_told_to_its_asker() {
        let mut runner = Runner::new(1);
        runner.start("it", async { panic!("on purpose") });
        let (about, answers) = runner.next().await.unwrap();
        assert_eq!((about, answers.is_none()), ("it", true));
        assert!(runner.is_idle() && runner.under_way().next().is_none());
    }
}
