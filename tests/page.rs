//! The page as Prometheus reads it.

use std::collections::BTreeMap;

/// The samples of a page: name, labels and value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Page(pub(crate) Vec<Sample>);

pub(crate) type Sample = (String, BTreeMap<String, String>, f64);

impl Page {
    pub(crate) fn read(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        Self(
            samples
                .map(|line| {
                    let (series, value) = line.rsplit_once(' ').unwrap();
                    let (name, labels) = selector(series);
                    (name, labels, value.parse().unwrap())
                })
                .collect(),
        )
    }

    /// The only series with that name and those labels among its own.
    pub(crate) fn series(&self, series: &str) -> Option<f64> {
        let found = self.all(series);
        assert!(found.len() < 2, "{series} selects {found:?}");
        found.first().copied()
    }

    /// Every series with that name and those labels among its own.
    pub(crate) fn all(&self, series: &str) -> Vec<f64> {
        let (name, labels) = selector(series);
        let selected = |sample: &&Sample| {
            sample.0 == name && labels.iter().all(|(label, value)| sample.1.get(label) == Some(value))
        };
        self.0.iter().filter(selected).map(|sample| sample.2).collect()
    }

    /// The platforms' figures without names, each written as a series, with the values that it has.
    pub(crate) fn figures(&self) -> BTreeMap<String, f64> {
        let of_platform = |name: &str| ["wecom_", "tencent_", "feishu_"].iter().any(|prefix| name.starts_with(prefix));
        let figures = self.0.iter().filter(|(name, _, _)| of_platform(name) && !name.ends_with("_info"));
        let mut map = BTreeMap::new();
        for (name, labels, value) in figures {
            let key = written(name, labels);
            assert!(map.insert(key.clone(), *value).is_none(), "{key} stands twice");
        }
        map
    }
}

/// A series as text, its labels in alphabetical order.
pub(crate) fn written(name: &str, labels: &BTreeMap<String, String>) -> String {
    let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    format!("{name}{{{}}}", labels.join(","))
}

/// A name and labels; no value in these tests has a quote in it.
fn selector(series: &str) -> (String, BTreeMap<String, String>) {
    let Some((name, rest)) = series.split_once('{') else { return (series.to_owned(), BTreeMap::new()) };
    let mut labels = BTreeMap::new();
    let mut parts = rest.trim_end_matches('}').split('"');
    while let (Some(label), Some(value)) = (parts.next(), parts.next()) {
        labels.insert(label.trim_matches([',', '=', ' ']).to_owned(), value.to_owned());
    }
    (name.to_owned(), labels)
}
