//! The figures of one subject on one day, as they travel from a platform's answer to the page and the store.

use crate::day::Day;

/// One subject's figures of one day.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The day that the figures belong to; of a week or month, its last day.
    pub day: Day,
    /// The values of the table's labels, in the table's order, without `account`.
    pub labels: Vec<String>,
    /// One value per field of the table, in the table's order and in base units; `None` where the platform gave none.
    pub values: Vec<Option<f64>>,
}

impl Row {
    /// How many series the row makes.
    #[must_use]
    pub fn series(&self) -> usize {
        self.values.iter().flatten().count()
    }

    /// Adds the figures of `other` to these; a field that either lacks has no sum.
    pub fn add(&mut self, other: &Self) {
        for (value, more) in self.values.iter_mut().zip(&other.values) {
            *value = value.zip(*more).map(|(a, b)| a + b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_with_a_missing_part_is_missing() {
        let row = |values: &[Option<f64>]| Row {
            day: Day::new(2026, 11, 19).unwrap(),
            labels: vec![],
            values: values.to_vec(),
        };
        let mut sum = row(&[Some(1.0), Some(2.0), None]);
        sum.add(&row(&[Some(3.0), None, Some(1.0)]));
        assert_eq!(sum.values, [Some(4.0), None, None]);
        assert_eq!(sum.series(), 1);
    }
}
