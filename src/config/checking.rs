//! What is known while a file is checked.

use std::path::Path;

use secrecy::SecretString;

use crate::platform::{Secret, SecretError};

/// Reads a secret; tests give their own.
pub(super) type ReadSecret<'a> = &'a dyn Fn(&Secret) -> Result<SecretString, SecretError>;

/// The checks of one file: where it is, and what was found so far.
pub(super) struct FileChecks<'a> {
    pub(super) folder: &'a Path,
    pub(super) read: ReadSecret<'a>,
    pub(super) faults: Vec<String>,
    pub(super) warnings: Vec<String>,
}
