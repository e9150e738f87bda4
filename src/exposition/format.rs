//! The two text formats that Prometheus reads, and how the older is derived from the newer.

use std::fmt::Write;

/// A format that `/metrics` is served in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// OpenMetrics by the name of its draft, 0.0.1; the same text.
    OpenMetricsDraft,
    /// The Prometheus text format 0.0.4.
    Text,
}

impl Format {
    /// The value of `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::OpenMetricsDraft => "application/openmetrics-text; version=0.0.1; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The families of `openmetrics` in the text format 0.0.4; `None` where they read the same there.
///
/// There, counters and info metrics are announced under the full names of their samples, there is no type `info`
/// (a parser that meets it refuses the whole page), `unknown` is `untyped`, and units are not announced. A label
/// value holds no raw line feed, so a line that begins with `#` is always a comment.
pub(super) fn text(openmetrics: &str) -> Option<String> {
    let same = |line: &str| match comment(line) {
        Some(("TYPE", _, kind)) => matches!(kind, "gauge" | "histogram" | "summary"),
        Some((keyword, ..)) => keyword == "HELP",
        None => true,
    };
    if openmetrics.lines().all(same) {
        return None;
    }
    let mut page = String::with_capacity(openmetrics.len() + 256);
    // HELP comes before TYPE, which says what the family is to be called.
    let mut help = None;
    for line in openmetrics.lines() {
        match comment(line) {
            Some(("HELP", _, words)) => help = Some(words),
            Some(("TYPE", name, kind)) => {
                let (suffix, kind) = match kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    "unknown" => ("", "untyped"),
                    other => ("", other),
                };
                // Writing to a string does not fail.
                if let Some(words) = help.take() {
                    let _ = writeln!(page, "# HELP {name}{suffix} {words}");
                }
                let _ = writeln!(page, "# TYPE {name}{suffix} {kind}");
            }
            Some(_) => {}
            None => {
                page.push_str(line);
                page.push('\n');
            }
        }
    }
    Some(page)
}

/// Keyword, name and rest of a comment.
fn comment(line: &str) -> Option<(&str, &str, &str)> {
    let (keyword, rest) = line.strip_prefix("# ")?.split_once(' ').unwrap_or(("EOF", ""));
    let (name, words) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((keyword, name, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_gauges_is_the_same_in_both_formats() {
        assert_eq!(text("# HELP a A\n# TYPE a gauge\na{b=\"# TYPE x counter\"} 1.0\n"), None);
        assert_eq!(text(""), None);
    }

    #[test]
    fn counters_and_info_metrics_are_announced_by_the_names_of_their_samples() {
        let openmetrics = "# HELP a A b\n# TYPE a counter\na_total 1\n# HELP b B\n# TYPE b info\nb_info{c=\"d\"} 1\n\
                           # HELP e_s E\n# TYPE e_s unknown\n# UNIT e_s s\ne_s 1\n# EOF\n";
        let expected = "# HELP a_total A b\n# TYPE a_total counter\na_total 1\n# HELP b_info B\n# TYPE b_info gauge\n\
                        b_info{c=\"d\"} 1\n# HELP e_s E\n# TYPE e_s untyped\ne_s 1\n";
        assert_eq!(text(openmetrics).unwrap(), expected);
    }
}
