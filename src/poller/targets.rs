//! The targets of a source as a tree, and which of them are asked about together: for rounds and for past days.

use std::collections::HashMap;
use std::sync::Arc;

use crate::source::{Subject, Target};

/// Targets by their places, parents before their children.
#[derive(Debug)]
pub(crate) struct TargetTree {
    targets: Vec<Arc<Target>>,
    parents: Vec<Option<usize>>,
    depths: Vec<usize>,
    places: HashMap<String, usize>,
}

impl TargetTree {
    /// The tree of `targets`, which come parents before their children.
    pub(crate) fn new(targets: Vec<Target>) -> Self {
        let places: HashMap<_, _> = targets.iter().enumerate().map(|(place, target)| (target.key(), place)).collect();
        let (mut parents, mut depths) = (Vec::with_capacity(targets.len()), Vec::with_capacity(targets.len()));
        for (place, target) in targets.iter().enumerate() {
            let parent = target.after.as_ref().and_then(|key| places.get(key).copied());
            // Parents precede children. A list with a cycle yields a parent index >= ours: treat such a target as a root.
            let parent = parent.filter(|parent| *parent < place);
            depths.push(parent.map_or(0, |parent: usize| depths[parent] + 1));
            parents.push(parent);
        }
        Self { targets: targets.into_iter().map(Arc::new).collect(), parents, depths, places }
    }

    /// The target at `place`.
    pub(crate) fn target(&self, place: usize) -> &Arc<Target> {
        &self.targets[place]
    }

    /// All targets, by their places.
    pub(crate) fn targets(&self) -> &[Arc<Target>] {
        &self.targets
    }

    /// The place of the target with this key.
    pub(crate) fn place(&self, key: &str) -> Option<usize> {
        self.places.get(key).copied()
    }

    /// The place of the parent of the target at `place`.
    pub(crate) fn parent(&self, place: usize) -> Option<usize> {
        self.parents[place]
    }

    /// How many ancestors the target at `place` has.
    pub(crate) fn depth(&self, place: usize) -> usize {
        self.depths[place]
    }

    /// The greatest depth.
    pub(crate) fn deepest(&self) -> usize {
        self.depths.iter().copied().max().unwrap_or(0)
    }
}

/// The things in the groups in which one request may be about them: neighbours whose targets (by `target`) may share one
/// and that agree `on` all else, up to `most` of them.
pub(crate) fn batches<T, K: PartialEq>(
    things: impl IntoIterator<Item = T>,
    most: usize,
    target: impl Fn(&T) -> &Target,
    on: impl Fn(&T) -> K,
) -> Vec<Vec<T>> {
    let mut batches: Vec<Vec<T>> = Vec::new();
    for thing in things {
        let joins = |others: &&mut Vec<T>| {
            others.len() < most && on(&others[0]) == on(&thing) && may_share(target(&others[0]), target(&thing))
        };
        match batches.last_mut().filter(joins) {
            Some(others) => others.push(thing),
            None => batches.push(vec![thing]),
        }
    }
    batches
}

/// Tells whether one request may be for both targets, as far as its size allows.
fn may_share(one: &Target, other: &Target) -> bool {
    // A target that takes every row cannot be batched: its rows can't be told from others'.
    one.table.prefix == other.table.prefix && one.subject == Subject::Named && other.subject == Subject::Named
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Filter, apis};

    #[test]
    fn only_targets_of_one_table_that_name_one_subject_share_a_request() {
        let tables = |name: &str| apis().into_iter().find(|api| api.name == name).unwrap().tables;
        let target = |table, labels: &[&str]| {
            Target::named(table, labels.iter().map(|label| (*label).to_owned()).collect(), Filter::default())
        };
        let kf = tables("wecom_kf");
        let (owner, agent) = (tables("wecom_groupchat_owner")[0], tables("tencent_desk_agent")[0]);
        let all = Target::listed(agent, vec![], Filter::default());
        assert!(may_share(&target(owner, &["a"]), &target(owner, &["b"])));
        assert!(!may_share(&target(owner, &["a"]), &target(agent, &["a"])));
        assert!(!may_share(&all, &target(agent, &["a"])) && !may_share(&all, &all));
        assert!(!may_share(&target(kf[0], &["wk"]), &target(kf[1], &["wk", "a"])));
    }

    #[test]
    fn a_target_that_a_list_puts_below_itself_has_no_parent() {
        let table = apis().into_iter().find(|api| api.name == "wecom_contact").unwrap().tables[0];
        let below = |label: &str, parent: Option<&str>| Target {
            after: parent.map(|parent| Target::key_of(table, &[parent.to_owned()])),
            ..Target::named(table, vec![label.to_owned()], Filter::default())
        };
        let list = vec![below("a", Some("c")), below("b", Some("a")), below("c", Some("b")), below("d", Some("d"))];
        let tree = TargetTree::new(list);
        let places = 0..tree.targets().len();
        assert_eq!(places.clone().map(|place| tree.parent(place)).collect::<Vec<_>>(), [None, Some(0), Some(1), None]);
        assert_eq!(places.map(|place| tree.depth(place)).collect::<Vec<_>>(), [0, 1, 2, 0]);
        assert_eq!(tree.deepest(), 2);
    }

    #[test]
    fn neighbours_that_may_share_a_request_are_asked_together_up_to_its_size() {
        let table = apis().into_iter().find(|api| api.name == "wecom_groupchat_owner").unwrap().tables[0];
        let targets: Vec<_> =
            ["a", "b", "c", "d"].map(|owner| Target::named(table, vec![owner.to_owned()], Filter::default())).into();
        let sizes = |most, days: [u8; 4]| -> Vec<usize> {
            let things = targets.iter().zip(days);
            batches(things, most, |(target, _)| target, |(_, day)| *day).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(10, [1, 1, 1, 1]), [4]);
        assert_eq!(sizes(3, [1, 1, 1, 1]), [3, 1]);
        assert_eq!(sizes(10, [1, 2, 2, 1]), [1, 2, 1]);
    }
}
