//! Error codes of platforms.

use std::fmt;
use std::sync::Arc;

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

#[cfg(test)]
mod tests {
    use super::*;

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
