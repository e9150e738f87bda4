//! Secrets of the configuration: where they are, and how they are read.

use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::files::read_bounded;

/// A secret longer than this is a mistake, such as the path of a whole file of something else.
const MAX_BYTES: u64 = 64 * 1024;

/// Where a secret is read from: the text itself, `{env: NAME}` or `{file: PATH}`.
#[derive(Clone, Debug)]
pub enum Secret {
    /// The text is in the configuration.
    Inline(SecretString),
    /// An environment variable of this name holds it.
    Env(String),
    /// This file holds it; blanks and line ends around it do not belong to it, nor does a byte order mark.
    File(PathBuf),
}

/// Why a secret can't be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment variable is not set, or not UTF-8.
    #[error("environment variable {0} is not set")]
    Env(String),
    /// The file can't be read.
    #[error("cannot read {0}: {1}")]
    File(PathBuf, String),
    /// There is nothing in it.
    #[error("{0} is empty")]
    Empty(String),
}

impl Secret {
    /// Reads the secret anew; a file is short, so this does not go to another thread.
    ///
    /// # Errors
    /// [`SecretError`], which names the variable or file and never what is in it.
    pub fn read(&self) -> Result<SecretString, SecretError> {
        let (text, place) = match self {
            Self::Inline(text) => return Ok(text.clone()),
            Self::Env(name) => {
                let text = std::env::var(name).map_err(|_| SecretError::Env(name.clone()))?;
                (text, format!("environment variable {name}"))
            }
            Self::File(path) => {
                let fail = |reason: String| SecretError::File(path.clone(), reason);
                let bytes = read_bounded(path, MAX_BYTES).map_err(|error| fail(error.to_string()))?;
                // The error of a conversion would hold the bytes.
                let text = String::from_utf8(bytes).map_err(|_| fail("it is not UTF-8".to_owned()))?;
                (text, path.display().to_string())
            }
        };
        // Editors put a byte order mark before a text, and people copy blanks with one; no platform's secret has any.
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() { Err(SecretError::Empty(place)) } else { Ok(text.into()) }
    }
}

impl<'de> Deserialize<'de> for Secret {
    /// Says what a secret looks like, and never what was found: that may be one.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SecretVisitor;

        const SHAPE: &str = "a secret is a quoted text, {env: NAME} or {file: PATH}";

        impl<'de> Visitor<'de> for SecretVisitor {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(SHAPE)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
                if text.is_empty() { Err(E::custom("the secret is empty")) } else { Ok(Secret::Inline(text.into())) }
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Secret, E> {
                Err(E::custom(SHAPE))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Secret, E> {
                Err(E::custom(SHAPE))
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Secret, E> {
                Err(E::custom(SHAPE))
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Secret, E> {
                Err(E::custom(SHAPE))
            }

            fn visit_unit<E: Error>(self) -> Result<Secret, E> {
                Err(E::custom(SHAPE))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
                let place: Option<String> = map.next_key()?;
                let secret = match place.as_deref() {
                    Some("env") => Secret::Env(map.next_value()?),
                    Some("file") => Secret::File(map.next_value()?),
                    _ => return Err(A::Error::custom(SHAPE)),
                };
                match map.next_key::<serde::de::IgnoredAny>()? {
                    None => Ok(secret),
                    Some(_) => Err(A::Error::custom(SHAPE)),
                }
            }
        }

        deserializer.deserialize_any(SecretVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn a_file_is_read_without_what_editors_put_around_a_secret() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret\r\n").unwrap();
        assert_eq!(Secret::File(file.path().into()).read().unwrap().expose_secret(), "s3cret");
        std::fs::write(file.path(), "\u{feff}\t s3cret \n\n").unwrap();
        assert_eq!(Secret::File(file.path().into()).read().unwrap().expose_secret(), "s3cret");
        std::fs::write(file.path(), "\u{feff} \n").unwrap();
        assert!(matches!(Secret::File(file.path().into()).read(), Err(SecretError::Empty(_))));
    }

    #[test]
    fn what_never_ends_or_is_too_long_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "x".repeat(MAX_BYTES as usize)).unwrap();
        assert!(Secret::File(file.path().into()).read().is_ok());
        std::fs::write(file.path(), "x".repeat(MAX_BYTES as usize + 1)).unwrap();
        for path in [file.path(), std::path::Path::new("/dev/zero"), std::path::Path::new("/")] {
            assert!(matches!(Secret::File(path.into()).read(), Err(SecretError::File(..))), "{}", path.display());
        }
    }

    #[test]
    fn what_cannot_be_a_secret_is_not_repeated() {
        for bad in ["12345678", "[hidden1]", "{password: hidden1}", "{env: A, file: hidden1}", "true", "1.25"] {
            let error = serde_yaml::from_str::<Secret>(bad).unwrap_err().to_string();
            assert!(error.contains("secret is a quoted text"), "{error}");
            assert!(!error.contains("hidden1") && !error.contains("12345678"), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_text() {
        assert!(!format!("{:?}", Secret::Inline("s3cret".into())).contains("s3cret"));
    }
}
