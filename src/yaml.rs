//! Files in YAML: read as a whole, with each error at its line, column and key path, and without values that may be
//! secrets.
//!
//! A map is described by its [`Key`]s: one row names a key and says where its value goes, so that a key is written
//! once. `outline` refuses what YAML allows and we don't, before anything is read.

mod key;
mod message;
mod outline;
mod scalar;

use serde::de::{DeserializeOwned, DeserializeSeed};

pub use key::{Each, Group, Key, Slot, Words};
pub(crate) use message::cut;

use key::ReadState;

/// Why a file can't be read as what it should be: the first such place. No text of a secret is in it.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.text())]
pub struct YamlError {
    /// The file's name.
    pub file: String,
    /// The line, from 1; 0 where it is not known.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The key path, such as `wecom[0].contact.users`; empty for the whole file.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl YamlError {
    fn text(&self) -> String {
        let Self { file, line, column, path, message } = self;
        let place = if *line > 0 { format!("{file}:{line}:{column}") } else { file.clone() };
        let path = if path.is_empty() { String::new() } else { format!("{path}: ") };
        format!("{place}: {path}{message}")
    }
}

/// Reads the text of `file` as a `T`; `None` where it holds nothing but comments.
///
/// # Errors
/// [`YamlError`], without values of the file.
pub(crate) fn read<T: DeserializeOwned>(text: &str, file: &str) -> Result<Option<T>, YamlError> {
    if outline::check(text, file, &[])?.is_none() {
        return Ok(None);
    }
    let decoded = serde_yaml::from_str(text);
    decoded.map(Some).map_err(|error| message::decode_error(file, text, &error, None, &[]))
}

/// Reads the text of `file` into `group`, and gives what is wrong with single values, each with its key path;
/// `None` where it holds nothing but comments. Nothing below one of `secrets` is repeated.
///
/// # Errors
/// [`YamlError`] for what is not YAML, an unknown key and a value of the wrong kind.
pub(crate) fn read_into(
    group: &mut dyn Group,
    text: &str,
    file: &str,
    secrets: &[&str],
) -> Result<Option<Vec<String>>, YamlError> {
    let Some(quoted) = outline::check(text, file, secrets)? else { return Ok(None) };
    let mut reading = ReadState { quoted, ..ReadState::default() };
    let read = key::InGroup { group, path: "", secret: false, reading: &mut reading };
    match read.deserialize(serde_yaml::Deserializer::from_str(text)) {
        Ok(()) => Ok(Some(reading.faults)),
        Err(error) => Err(message::decode_error(file, text, &error, reading.wrong_key.as_deref(), secrets)),
    }
}
