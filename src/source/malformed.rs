//! What is wrong with an answer that does not have its documented form.

use std::fmt;

/// An answer that does not have its documented form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The JSON pointer of what is wrong.
    pub path: String,
    /// What should have been there.
    pub expected: String,
}

impl Malformed {
    /// What should have been at `path`.
    #[must_use]
    pub fn new(path: &str, expected: &str) -> Self {
        Self { path: path.to_owned(), expected: expected.to_owned() }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer at {} is not {}", self.path, self.expected)
    }
}
