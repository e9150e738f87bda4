//! Whom a request is about, by the platform's own ids.

/// Whom a target asks about: ids as the platform knows them, each list under the field of the request that takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter(Vec<(&'static str, Vec<String>)>);

impl Filter {
    /// The filter of one id.
    #[must_use]
    pub fn one(field: &'static str, id: &str) -> Self {
        Self::new([(field, vec![id.to_owned()])])
    }

    /// The filter of these fields; one without ids is left out.
    #[must_use]
    pub fn new(fields: impl IntoIterator<Item = (&'static str, Vec<String>)>) -> Self {
        Self(fields.into_iter().filter(|(_, ids)| !ids.is_empty()).collect())
    }

    /// With the id of one more field.
    #[must_use]
    pub fn and(mut self, field: &'static str, id: &str) -> Self {
        self.0.push((field, vec![id.to_owned()]));
        self
    }

    /// The fields, each with its ids: one at least.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        self.0.iter().map(|(field, ids)| (*field, ids.as_slice()))
    }

    /// All ids of the first field: the members of a union.
    #[must_use]
    pub fn members(&self) -> &[String] {
        self.0.first().map_or(&[], |(_, ids)| ids)
    }

    /// The part of a union with these members.
    #[must_use]
    pub fn part(&self, members: &[String]) -> Self {
        Self(self.0.iter().take(1).map(|(field, _)| (*field, members.to_vec())).collect())
    }

    /// The id of the subject that a target names: the last one.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.0.last()?.1.last().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn a_field_without_ids_is_left_out() {
        let filter = Filter::new([("userid", vec![]), ("partyid", ids(&["1", "2"]))]);
        assert_eq!(filter.fields().collect::<Vec<_>>(), [("partyid", &ids(&["1", "2"])[..])]);
        assert_eq!(Filter::new([("userid", vec![])]), Filter::default());
        assert!(Filter::default().members().is_empty());
        assert_eq!(Filter::default().subject(), None);
    }

    #[test]
    fn a_part_of_a_union_has_its_field_and_other_members() {
        let union = Filter::new([("userid_list", ids(&["a", "b", "c"]))]);
        assert_eq!(union.part(&ids(&["b"])), Filter::one("userid_list", "b"));
        assert_eq!(union.members(), ids(&["a", "b", "c"]));
    }

    #[test]
    fn the_subject_of_several_fields_is_the_last_one() {
        assert_eq!(Filter::one("open_kfid", "wk").and("servicer_userid", "li").subject(), Some("li"));
    }
}
