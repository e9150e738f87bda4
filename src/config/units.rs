//! The small languages of single values: durations, rates, times of day, names and base URLs.
//!
//! Each function reads one text and says, for the operator, what is wrong with it; the caller adds the key path.

use std::net::IpAddr;
use std::time::Duration;

use jiff::civil::Time;
use reqwest::Url;

use super::Rate;
use crate::day::Zone;
use crate::source;
use crate::yaml::cut;

/// The units of a duration in milliseconds, in the order in which they are written, as in Prometheus.
const UNITS: &[(&str, u64)] =
    &[("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// The longest duration; beyond it instants leave the calendar.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

/// The highest rate, in calls; more would not be spread by the clock any more.
const MOST_CALLS: u32 = 1_000_000;

/// Reads a duration such as `10m` or `1h30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let fault = |why: &str| format!("`{}` is not a duration: {why}, as in 30s, 10m, 1h30m or 3d", cut(text));
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after, |c| c.is_ascii_alphabetic());
        if number.is_empty() {
            return Err(fault("write whole numbers, each with its unit"));
        }
        if unit.is_empty() {
            return Err(fault("a number needs a unit (ms, s, m, h, d, w)"));
        }
        if !UNITS.iter().any(|(name, _)| *name == unit) {
            return Err(fault("the units are ms, s, m, h, d and w"));
        }
        // The iterator continues after the last unit, so that each unit occurs once, the longer ones first.
        let Some((_, millis)) = units.find(|(name, _)| *name == unit) else {
            return Err(fault("each unit occurs once, the longest first"));
        };
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*millis));
        match part.and_then(|part| total.checked_add(part)) {
            Some(sum) if Duration::from_millis(sum) <= LONGEST => total = sum,
            _ => return Err(fault("10 years are the most")),
        }
        rest = after;
    }
    if text.is_empty() { Err(fault("it is empty; write it")) } else { Ok(Duration::from_millis(total)) }
}

fn split(text: &str, same: fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !same(c)).unwrap_or(text.len()))
}

/// Reads a duration of at least `least`, which is written `written`.
pub(super) fn at_least(text: &str, least: Duration, written: &str) -> Result<Duration, String> {
    let found = duration(text)?;
    if found < least { Err(format!("`{}` is too short: {written} is the least", cut(text))) } else { Ok(found) }
}

/// Reads a duration of at most `most`, which is written `written`.
pub(super) fn at_most(text: &str, most: Duration, written: &str) -> Result<Duration, String> {
    let found = duration(text)?;
    if found > most { Err(format!("`{}` is too long: {written} is the most", cut(text))) } else { Ok(found) }
}

/// Reads how long something may take.
pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    at_least(text, Duration::from_millis(1), "1ms")
}

/// Reads a whole number from `least` to `most`.
pub(super) fn number(text: &str, least: u32, most: u32) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("`{}` is not a whole number from {least} to {most}", cut(text))),
    }
}

/// Reads `true` or `false`.
pub(super) fn truth(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("`{}` is neither true nor false", cut(text))),
    }
}

/// Reads a rate such as `1000/m`.
pub(super) fn rate(text: &str) -> Result<Rate, String> {
    let fault = || {
        let text = cut(text);
        format!("`{text}` is not a rate: write 1 to {MOST_CALLS} calls per s, m or h, as in 10/s, 1000/m or 5000/h")
    };
    let (calls, unit) = text.split_once('/').ok_or_else(fault)?;
    let per = match unit.trim() {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        _ => return Err(fault()),
    };
    match calls.trim().parse() {
        Ok(calls) if (1..=MOST_CALLS).contains(&calls) => Ok(Rate { calls, per }),
        _ => Err(fault()),
    }
}

/// Reads a time of day such as `06:00`.
pub(super) fn time_of_day(text: &str) -> Result<Time, String> {
    let two = |text: &str| match text.as_bytes() {
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => i8::try_from((a - b'0') * 10 + (b - b'0')).ok(),
        _ => None,
    };
    text.split_once(':')
        .and_then(|(hour, minute)| Time::new(two(hour)?, two(minute)?, 0, 0).ok())
        .ok_or_else(|| format!("`{}` is not a time of day such as 06:00", cut(text)))
}

/// Reads the IANA name of a zone.
pub(super) fn zone(text: &str) -> Result<Zone, String> {
    Zone::named(text).map_err(|error| error.to_string())
}

/// Reads an `account` label.
pub(super) fn account_name(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if (1..=64).contains(&text.len()) && text.chars().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("an account is named by 1 to 64 of the characters A-Z a-z 0-9 _ . -".to_owned())
    }
}

/// Reads the value of a label of the operator's.
pub(super) fn label_value(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("an empty label is as good as none".to_owned()) } else { id(text) }
}

/// Tells whether a label of the operator's may have this name.
pub(super) fn label_name(name: &str) -> Result<(), String> {
    let valid = |n: usize, c: char| c == '_' || c.is_ascii_alphabetic() || (n > 0 && c.is_ascii_digit());
    if name.is_empty() || name.len() > 128 || !name.chars().enumerate().all(|(n, c)| valid(n, c)) {
        Err("a label is named with letters, digits and underscores only, and begins with no digit".to_owned())
    } else if name.starts_with("__") {
        Err("names that begin with two underscores are Prometheus' own".to_owned())
    } else if ["job", "instance", "le", "quantile"].contains(&name) {
        Err("Prometheus gives labels of that name itself".to_owned())
    } else if source::labels().any(|ours| ours == name) {
        Err("series have a label of that name already".to_owned())
    } else {
        Ok(())
    }
}

/// Reads any text that is not blank and not longer than an id.
pub(super) fn id(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        Err("it is empty".to_owned())
    } else if text.len() > 256 || text.chars().any(char::is_control) {
        Err("it is longer than 256 bytes, or holds control characters".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// Reads a base URL; it comes without a slash at its end. It may hold a password by mistake, so it is not repeated.
pub(super) fn base_url(text: &str, insecure_http: bool) -> Result<String, String> {
    let url = http_url(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("a base URL holds no `?` or `#`".to_owned());
    }
    private(&url, insecure_http)?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Reads the URL of a token server; gives what may be shown of it, which is all but the query.
pub(super) fn token_url(text: &str, insecure_http: bool) -> Result<String, String> {
    let mut url = http_url(text)?;
    private(&url, insecure_http)?;
    url.set_query(None);
    url.set_fragment(None);
    Ok(url.as_str().to_owned())
}

/// Tells whether a secret may go to `url`.
fn private(url: &Url, insecure_http: bool) -> Result<(), String> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL holds a user or password: it must not".to_owned());
    }
    if url.scheme() == "http" && !insecure_http && !is_loopback(url) {
        return Err(
            "plain http would show the secret to everybody on the way: write https, or insecure_http: true if \
                    the way is yours"
                .to_owned(),
        );
    }
    Ok(())
}

/// Tells whether `text` is an http or https URL with a host; it may hold a password, so it is not repeated.
pub(super) fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|_| "it is not a URL such as https://host:port".to_owned())?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        "http" | "https" => Err("the URL has no host".to_owned()),
        _ => Err("the URL starts with neither http:// nor https://".to_owned()),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_in_prometheus() {
        let read = |text| duration(text).unwrap().as_millis();
        assert_eq!(read("10m"), 600_000);
        assert_eq!(read("1h30m"), 5_400_000);
        assert_eq!(read("1w2d3h4m5s6ms"), 788_645_006);
        assert_eq!((read("500ms"), read("0"), read("0s")), (500, 0, 0));
    }

    #[test]
    fn a_bad_duration_is_told_why() {
        for (bad, why) in [
            ("", "empty"),
            ("30", "needs a unit"),
            ("1.5h", "unit"),
            ("-1h", "whole numbers"),
            ("1h 30m", "whole numbers"),
            ("10min", "units are"),
            ("1m1h", "longest first"),
            ("1s1s", "longest first"),
            ("11w99999999999999999999d", "10 years"),
            ("99999w", "10 years"),
        ] {
            let message = duration(bad).unwrap_err();
            assert!(message.contains(why), "{bad}: {message}");
        }
        let most = |text| at_most(text, Duration::from_hours(23), "23h");
        assert_eq!(most("23h"), Ok(Duration::from_hours(23)));
        assert_eq!(most("23h1ms"), Err("`23h1ms` is too long: 23h is the most".to_owned()));
    }

    #[test]
    fn rates_and_times_of_day_are_read() {
        assert_eq!(rate("1000/m"), Ok(Rate { calls: 1000, per: Duration::from_mins(1) }));
        assert_eq!(rate("5 / s").unwrap().interval(), Duration::from_millis(200));
        for bad in ["", "1000", "0/m", "-1/m", "1.5/s", "10/d", "1000001/s", "/", "m/10"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
        assert_eq!(time_of_day("06:30").unwrap().to_string(), "06:30:00");
        for bad in ["", "6:00", "24:00", "06:60", "06:00:00", "0600", "+6:00", "06:0é"] {
            assert!(time_of_day(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_base_url_is_https_or_stays_on_the_machine() {
        let read = |text| base_url(text, false);
        assert_eq!(read("https://qyapi.weixin.qq.com/").as_deref(), Ok("https://qyapi.weixin.qq.com"));
        assert_eq!(read("https://gate.example/wecom//").as_deref(), Ok("https://gate.example/wecom"));
        for loopback in ["http://127.0.0.1:8080", "http://127.9.9.9", "http://[::1]:1", "http://localhost:80/"] {
            assert!(read(loopback).is_ok(), "{loopback}");
        }
        for plain in ["http://example.com", "http://10.0.0.1", "http://localhost.example.com", "http://[::2]"] {
            assert!(read(plain).unwrap_err().contains("insecure_http"), "{plain}");
            assert!(base_url(plain, true).is_ok(), "{plain}");
        }
        for bad in [
            "",
            "example.com",
            "ftp://example.com",
            "https://",
            "https://u:hidden@h",
            "https://h/?hidden=1",
            "https://h/#hidden",
        ] {
            let message = read(bad).unwrap_err();
            assert!(!message.contains("hidden"), "{message}");
        }
    }
}
