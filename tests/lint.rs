//! A strict reader of expositions, for tests: what Prometheus would refuse or misread is an error.
//!
//! It uses the standard library alone: the unit tests of `exposition` include this very file.

use std::collections::{BTreeMap, BTreeSet};

/// A format of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenMetrics,
    Text,
}

/// A metric family of a page.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) help: String,
    pub(crate) samples: Vec<Sample>,
}

/// A line with a value.
#[derive(Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// Reads a page.
///
/// # Errors
/// The number of the first bad line, and what is wrong with it.
pub(crate) fn read(page: &str, dialect: Dialect) -> Result<Vec<Family>, String> {
    let body = match dialect {
        Dialect::OpenMetrics => page.strip_suffix("# EOF\n").ok_or("the page does not end with # EOF")?,
        Dialect::Text => page,
    };
    if !body.is_empty() && !body.ends_with('\n') {
        return Err("the last line does not end".to_owned());
    }
    let mut reader = Reader { dialect, families: Vec::new(), names: BTreeSet::new(), series: BTreeSet::new() };
    for (n, line) in body.lines().enumerate() {
        reader.line(line).map_err(|wrong| format!("line {}: {wrong}: {line}", n + 1))?;
    }
    match reader.families.iter().find(|family| family.samples.is_empty()) {
        Some(family) => Err(format!("{} has no samples", family.name)),
        None => Ok(reader.families),
    }
}

struct Reader {
    dialect: Dialect,
    families: Vec<Family>,
    names: BTreeSet<String>,
    series: BTreeSet<String>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        match line.strip_prefix("# ") {
            Some(comment) => self.comment(comment),
            None if line.is_empty() || line.starts_with('#') => Err("neither comment nor sample".into()),
            None => self.sample(line),
        }
    }

    fn comment(&mut self, comment: &str) -> Result<(), String> {
        let mut words = comment.splitn(3, ' ');
        let (keyword, name, rest) = (words.next(), words.next().unwrap_or(""), words.next().unwrap_or(""));
        if !is_name(name) {
            return Err("a comment without a metric name".into());
        }
        match keyword {
            Some("HELP") => {
                if rest.is_empty() || rest.contains(['"', '\\']) {
                    return Err("HELP is empty or needs escaping".into());
                }
                if !self.names.insert(name.to_owned()) {
                    return Err("the family stands in two places".into());
                }
                let family = Family { name: name.into(), kind: String::new(), help: rest.into(), samples: Vec::new() };
                self.families.push(family);
                Ok(())
            }
            Some("TYPE") => {
                let known: &[_] = match self.dialect {
                    Dialect::OpenMetrics => &["gauge", "counter", "histogram", "info"],
                    Dialect::Text => &["gauge", "counter", "histogram"],
                };
                if !known.contains(&rest) {
                    return Err("a type that the format does not have".into());
                }
                match self.families.last_mut() {
                    Some(family) if family.name == name && family.kind.is_empty() && family.samples.is_empty() => {
                        family.kind = rest.into();
                        Ok(())
                    }
                    _ => Err("TYPE without HELP, twice, or behind samples".into()),
                }
            }
            _ => Err("an unexpected comment".into()),
        }
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let end = line.find(['{', ' ']).ok_or("no value")?;
        let (name, rest) = line.split_at(end);
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None => (BTreeMap::new(), rest),
        };
        let value = rest.strip_prefix(' ').ok_or("no space before the value")?;
        if value.contains(' ') {
            return Err("a timestamp or an exemplar".into());
        }
        let value: f64 = value.parse().map_err(|_| "no number")?;
        if !value.is_finite() {
            return Err("a value that is not finite".into());
        }
        let family = self.families.last_mut().ok_or("a sample before all families")?;
        let suffix = name.strip_prefix(family.name.as_str()).ok_or("a sample of another family")?;
        let suffixes: &[&str] = match (family.kind.as_str(), self.dialect) {
            ("gauge", _) | ("counter", Dialect::Text) => &[""],
            ("counter", _) => &["_total"],
            ("info", _) => &["_info"],
            ("histogram", _) => &["_sum", "_count", "_bucket"],
            _ => return Err("a sample before TYPE".into()),
        };
        if !suffixes.contains(&suffix) {
            return Err(format!("a {} has no samples of that name", family.kind));
        }
        if (suffix == "_bucket") != labels.contains_key("le") || (family.kind == "info" && value != 1.0) {
            return Err("le out of place, or an info metric that is not 1".into());
        }
        // Debug output of a sorted map tells any two sets of labels apart.
        if !self.series.insert(format!("{name}{labels:?}")) {
            return Err("the series stands twice".into());
        }
        family.samples.push(Sample { name: name.to_owned(), labels, value });
        Ok(())
    }
}

/// The labels that begin `rest`, and what follows their brace.
fn labels(mut rest: &str) -> Result<(BTreeMap<String, String>, &str), String> {
    let mut labels = BTreeMap::new();
    loop {
        let (name, value) = rest.split_once("=\"").ok_or("a label without a value")?;
        if !is_name(name) || name.contains(':') || name.starts_with("__") {
            return Err(format!("{name} is no label name"));
        }
        let mut text = String::new();
        let mut chars = value.char_indices();
        let end = loop {
            match chars.next().ok_or("a label value without end")? {
                (end, '"') => break end,
                (_, '\\') => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    _ => return Err("an escape that the format does not have".into()),
                },
                (_, other) => text.push(other),
            }
        };
        if labels.insert(name.to_owned(), text).is_some() {
            return Err(format!("{name} stands twice"));
        }
        rest = &value[end + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Ok((labels, rest.strip_prefix('}').ok_or("labels without an end")?)),
        }
    }
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    name.chars().all(plain) && name.starts_with(|c: char| !c.is_ascii_digit())
}

mod tests {
    use super::*;

    #[test]
    fn good_pages_are_read_back() {
        let page = "# HELP a A\n# TYPE a counter\na_total{b=\"\\\"\\\\\\n,}\"} 1\n# EOF\n";
        let families = read(page, Dialect::OpenMetrics).unwrap();
        assert_eq!(families[0].samples[0].labels["b"], "\"\\\n,}");
        assert_eq!((families[0].kind.as_str(), families[0].help.as_str()), ("counter", "A"));
    }

    #[test]
    fn bad_pages_are_refused() {
        for (page, wrong) in [
            ("a 1\n", "before all families"),
            ("# HELP a A\n# TYPE a gauge\n", "no samples"),
            ("# HELP a A\na 1\n", "before TYPE"),
            ("# TYPE a gauge\na 1\n", "without HELP"),
            ("# HELP a A\n# TYPE a info\na_info 1\n", "a type that"),
            ("# HELP a A\n# TYPE a gauge\na 1\na 1\n", "twice"),
            ("# HELP a A\n# TYPE a gauge\na{b=\"1\",c=\"2\"} 1\na{c=\"2\",b=\"1\"} 1\n", "twice"),
            ("# HELP a A\n# TYPE a gauge\na{b=\"x\ny\"} 1\n", "without end"),
            ("# HELP a A\n# TYPE a gauge\na NaN\n", "not finite"),
            ("# HELP a A\n# TYPE a gauge\na 1 1700000000\n", "timestamp"),
            ("# HELP a A\n# TYPE a gauge\na 1\nb 1\n", "another family"),
            ("# HELP a A\n# TYPE a gauge\na 1", "does not end"),
        ] {
            let error = read(page, Dialect::Text).unwrap_err();
            assert!(error.contains(wrong), "{page}: {error}");
        }
        assert!(read("", Dialect::OpenMetrics).is_err());
    }
}
