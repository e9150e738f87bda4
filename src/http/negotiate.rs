//! What a client would like to read: format and encoding, by its quality values.

use std::cmp::Reverse;

use hyper::HeaderMap;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderName};

use crate::exposition::Format;

/// The formats, the one that we prefer where the client does not care first.
const FORMATS: [Format; 3] = [Format::Text, Format::OpenMetrics, Format::OpenMetricsDraft];

/// What OpenMetrics 1.0.0 is called, by how names are escaped that are more than letters, digits and underscores. None
/// of ours is, so that each way gives the same page; but text formats from 1.0.0 on must say which it is. The first is
/// assumed where the client names none, or one that there is not.
///
/// Source: <https://prometheus.io/docs/instrumenting/content_negotiation/>.
const OPENMETRICS: [(&str, &str); 4] = [
    ("underscores", "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"),
    ("allow-utf-8", "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"),
    ("dots", "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=dots"),
    ("values", "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=values"),
];

/// The format to answer in, and its media type; text 0.0.4 where the client accepts anything, says nothing or accepts
/// neither.
///
/// Parameters other than `version`, `escaping` and `q` are ignored.
pub(super) fn format(headers: &HeaderMap) -> (Format, &'static str) {
    let accept = joined(headers, &ACCEPT);
    let ranges: Vec<_> = items(&accept).collect();
    // The most specific range says how much a format is wanted; of equally wanted ones, the one that is meant more
    // specifically wins, then the one that is named earlier.
    let best = FORMATS.iter().enumerate().filter_map(|(ours, format)| {
        let place = |(place, range): (usize, &Item<'_>)| Some((specificity(range, *format)?, Reverse(place), range.q));
        let (specificity, place, q) =
            ranges.iter().enumerate().filter_map(place).max_by_key(|found| (found.0, found.1))?;
        (q > 0).then_some((q, specificity, place, Reverse(ours)))
    });
    let best = best.max().map(|(_, _, Reverse(place), Reverse(ours))| (FORMATS[ours], ranges[place].escaping));
    match best {
        Some((Format::OpenMetrics, escaping)) => {
            let named = OPENMETRICS.iter().find(|(name, _)| escaping == Some(name));
            (Format::OpenMetrics, named.unwrap_or(&OPENMETRICS[0]).1)
        }
        Some((format, _)) => (format, format.content_type()),
        None => (Format::Text, Format::Text.content_type()),
    }
}

/// Whether to compress; `None` where the client accepts neither gzip nor plain bytes.
pub(super) fn gzip(headers: &HeaderMap) -> Option<bool> {
    let accept = joined(headers, &ACCEPT_ENCODING);
    let q = |wanted: &[&str]| {
        let named = |name: &str| wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
        let of = |by: &dyn Fn(&str) -> bool| items(&accept).filter(|item| by(item.name)).map(|item| item.q).max();
        of(&named).or_else(|| of(&|name| name == "*"))
    };
    let gzip = q(&["gzip", "x-gzip"]).unwrap_or(0);
    // Plain bytes are acceptable unless they are excluded, but then as a last resort.
    let identity = q(&["identity"]);
    match (gzip, identity) {
        (0, Some(0)) => None,
        (0, _) => Some(false),
        (gzip, identity) => Some(gzip >= identity.unwrap_or(0)),
    }
}

/// One element of such a header.
struct Item<'a> {
    name: &'a str,
    version: Option<&'a str>,
    escaping: Option<&'a str>,
    /// In thousandths, as exact as the standard lets it be.
    q: u16,
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values: Vec<_> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    values.join(",")
}

fn items(header: &str) -> impl Iterator<Item = Item<'_>> {
    header.split(',').filter_map(|element| {
        let mut parts = element.split(';').map(str::trim);
        let name = parts.next().filter(|name| !name.is_empty())?;
        let mut item = Item { name, version: None, escaping: None, q: 1000 };
        for (key, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match key.trim() {
                "q" | "Q" => item.q = thousandths(value)?,
                key if key.eq_ignore_ascii_case("version") => item.version = Some(value),
                key if key.eq_ignore_ascii_case("escaping") => item.escaping = Some(value),
                _ => {}
            }
        }
        Some(item)
    })
}

/// A quality value; an element with a wrong one is passed over.
fn thousandths(q: &str) -> Option<u16> {
    let q: f32 = q.parse().ok()?;
    (0.0..=1.0).contains(&q).then(|| (q * 1000.0).round() as u16)
}

/// How closely `range` describes `format`; `None` where it does not.
fn specificity(range: &Item<'_>, format: Format) -> Option<u8> {
    let (kind, versions): (&str, &[&str]) = match format {
        Format::Text => ("text/plain", &["0.0.4"]),
        Format::OpenMetrics => ("application/openmetrics-text", &["1.0.0"]),
        Format::OpenMetricsDraft => ("application/openmetrics-text", &["0.0.1"]),
    };
    let (family, _) = kind.split_once('/')?;
    let name = range.name;
    if name.eq_ignore_ascii_case(kind) {
        match range.version {
            Some(version) => versions.contains(&version).then_some(4),
            None => Some(3),
        }
    } else if name.strip_suffix("/*").is_some_and(|name| name.eq_ignore_ascii_case(family)) {
        Some(2)
    } else {
        (name == "*/*").then_some(1)
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn with(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn formats_are_chosen_by_quality() {
        for (accept, expected) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format::Text),
            ("application/json", Format::Text),
            // Prometheus 2 and 3
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                Format::OpenMetrics,
            ),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.3,application/openmetrics-text;version=0.0.1;q=0.2",
                Format::Text,
            ),
            ("application/openmetrics-text; version=0.0.1", Format::OpenMetricsDraft),
            ("application/openmetrics-text; version=\"1.0.0\"; charset=utf-8", Format::OpenMetrics),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("APPLICATION/OpenMetrics-Text", Format::OpenMetrics),
            ("application/openmetrics-text;version=2.0.0", Format::Text),
            ("*/*, application/openmetrics-text", Format::OpenMetrics),
            ("text/plain;q=0, */*", Format::OpenMetrics),
            ("application/*", Format::OpenMetrics),
            ("text/plain, application/openmetrics-text", Format::Text),
            ("application/openmetrics-text, text/plain", Format::OpenMetrics),
            ("application/openmetrics-text;q=0.2, text/plain;q=0.25", Format::Text),
            ("application/openmetrics-text;q=x", Format::Text),
            ("application/openmetrics-text;q=2", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
            (";;,,q=1", Format::Text),
        ] {
            assert_eq!(format(&with(&ACCEPT, &[accept])).0, expected, "{accept}");
        }
        assert_eq!(format(&HeaderMap::new()), (Format::Text, "text/plain; version=0.0.4; charset=utf-8"));
        let two = with(&ACCEPT, &["text/plain;q=0.1", "application/openmetrics-text;q=0.2"]);
        assert_eq!(format(&two).0, Format::OpenMetrics);
    }

    #[test]
    fn openmetrics_says_how_names_are_escaped() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        for (accept, expected) in [
            (prometheus, "version=1.0.0; charset=utf-8; escaping=allow-utf-8"),
            ("application/openmetrics-text", "version=1.0.0; charset=utf-8; escaping=underscores"),
            ("application/openmetrics-text; version=1.0.0; Escaping=\"dots\"", "charset=utf-8; escaping=dots"),
            ("application/openmetrics-text;escaping=values", "charset=utf-8; escaping=values"),
            // Nothing that a client sends comes back.
            ("application/openmetrics-text;escaping=allow-utf8", "charset=utf-8; escaping=underscores"),
            ("text/plain;escaping=dots;q=0.1, application/openmetrics-text", "charset=utf-8; escaping=underscores"),
            ("application/openmetrics-text;version=0.0.1;escaping=dots", "version=0.0.1; charset=utf-8"),
            ("text/plain;version=0.0.4;escaping=dots", "version=0.0.4; charset=utf-8"),
        ] {
            let (_, media_type) = format(&with(&ACCEPT, &[accept]));
            assert!(media_type.ends_with(expected), "{accept}: {media_type}");
        }
    }

    #[test]
    fn gzip_is_used_where_it_is_wanted_as_much_as_plain_bytes() {
        for (accept, expected) in [
            ("", Some(false)),
            ("gzip", Some(true)),
            ("gzip, gzip", Some(true)),
            ("GZIP;q=0.1", Some(true)),
            ("x-gzip", Some(true)),
            ("identity", Some(false)),
            ("deflate, br", Some(false)),
            ("gzip;q=0", Some(false)),
            ("gzip;q=0.5, identity", Some(false)),
            ("gzip;q=0.5, identity;q=0.5", Some(true)),
            ("*", Some(true)),
            ("gzip;q=0, *", Some(false)),
            ("identity;q=0, *", Some(true)),
            ("gzip, *;q=0", Some(true)),
            ("identity;q=0", None),
            ("*;q=0", None),
            ("gzip;q=0, identity;q=0", None),
        ] {
            assert_eq!(gzip(&with(&ACCEPT_ENCODING, &[accept])), expected, "{accept}");
        }
        assert_eq!(gzip(&HeaderMap::new()), Some(false));
        assert_eq!(gzip(&with(&ACCEPT_ENCODING, &["identity;q=0", "gzip"])), Some(true));
    }
}
