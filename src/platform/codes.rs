//! The tables of platforms that say what each error code means.

use super::code::ErrorCode;
use super::refusal::{Class, Refusal};

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
}
