//! Error codes of platforms, and the tables that say what each of them means.

use std::fmt;
use std::sync::Arc;

use super::refusal::{Class, Refusal};

/// No platform's code is longer.
const MOST_BYTES: usize = 64;

/// A platform's error code, as it is written: `48002`, or a name such as `Forbidden.AccessDenied`.
///
/// It goes to logs and pages: so it holds nothing but ASCII letters, digits, `.`, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorCode(Arc<str>);

impl ErrorCode {
    /// The code `text`, where that has the form of one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_of_code = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
        let is_code = (1..=MOST_BYTES).contains(&text.len()) && text.bytes().all(is_of_code);
        is_code.then(|| Self(text.into()))
    }

    /// The code as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<i64> for ErrorCode {
    fn from(number: i64) -> Self {
        Self(number.to_string().into())
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A row of a platform's tables: codes that mean the same.
#[derive(Debug)]
pub struct Code(
    /// The codes.
    pub &'static [&'static str],
    /// What to do next.
    pub Class,
    /// What they mean, and what the operator can do.
    pub &'static str,
);

/// What a platform's codes mean.
#[derive(Debug)]
pub struct Codes {
    /// What they mean for some calls alone, by how the calls' `api` begins; the first that fits counts.
    pub of_apis: &'static [(&'static str, &'static [Code])],
    /// What they mean for all others.
    pub of_all: &'static [Code],
}

impl Codes {
    /// The refusal that `code` means in an answer of `api`; the platform's own `message` is only for a code that no table
    /// has.
    #[must_use]
    pub fn refusal(&self, api: &str, code: ErrorCode, message: &str) -> Refusal {
        let special = self.of_apis.iter().find(|(begin, _)| api.starts_with(begin)).map_or(&[][..], |(_, rows)| rows);
        let row = special.iter().chain(self.of_all).find(|row| row.0.contains(&code.as_str()));
        match row {
            Some(Code(_, class, text)) => Refusal::new(*class, code, *text),
            None => Refusal::unknown(code, message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PLATFORMS, Platform};
    use super::*;

    fn tables(platform: &dyn Platform) -> impl Iterator<Item = &'static [Code]> {
        let codes = platform.codes();
        codes.of_apis.iter().map(|(_, rows)| *rows).chain([codes.of_all])
    }

    #[test]
    fn every_code_stands_once_in_its_table_and_is_one() {
        for platform in PLATFORMS {
            for table in tables(*platform) {
                let mut codes: Vec<_> = table.iter().flat_map(|row| row.0).collect();
                assert!(codes.iter().all(|code| ErrorCode::new(code).is_some()), "{}: {codes:?}", platform.name());
                codes.sort_unstable();
                let twice: Vec<_> = codes.windows(2).filter(|pair| pair[0] == pair[1]).collect();
                assert!(twice.is_empty(), "{}: {twice:?}", platform.name());
            }
        }
    }

    #[test]
    fn a_table_of_an_api_is_reached_and_says_other_than_the_common_one() {
        for platform in PLATFORMS {
            let codes = platform.codes();
            for (begin, rows) in codes.of_apis {
                for Code(of_row, class, text) in *rows {
                    for code in *of_row {
                        let code = ErrorCode::new(code).unwrap();
                        let (special, common) = (codes.refusal(begin, code.clone(), ""), codes.refusal("\n", code, ""));
                        assert_eq!(
                            (special.class, special.text.as_str()),
                            (*class, *text),
                            "{begin} of {}",
                            platform.name()
                        );
                        let same = special == common;
                        assert!(!same || begin.is_empty(), "{begin} of {}: {special}", platform.name());
                    }
                }
            }
        }
    }

    #[test]
    fn every_meaning_is_a_clause_that_an_operator_can_read() {
        for platform in PLATFORMS {
            for Code(codes, _, text) in tables(*platform).flatten() {
                assert!(!codes.is_empty() && text.len() > 10, "{}: {codes:?}: {text}", platform.name());
                assert!(!text.ends_with(['.', ' ']) && !text.contains(['\n', '\t']), "{}: {text}", platform.name());
            }
        }
    }

    #[test]
    fn a_code_is_a_short_text_without_anything_that_a_log_could_take_for_more() {
        for code in ["0", "-1", "48002", "Forbidden.AccessDenied.AccessTokenPermissionDenied", "a_b"] {
            assert_eq!(ErrorCode::new(code).unwrap().to_string(), code);
        }
        assert_eq!(ErrorCode::from(-1), ErrorCode::new("-1").unwrap());
        for other in ["", "a b", "a\nb", "\u{202e}", "\u{30}\u{fe0f}", "a=b", &"9".repeat(MOST_BYTES + 1)] {
            assert_eq!(ErrorCode::new(other), None, "{other:?}");
        }
    }
}
