//! Why a web configuration cannot be used.

use std::io;
use std::path::PathBuf;

use crate::printable::printable;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WebConfigError {
    /// It, or a file that it names, cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It would remove a protection that is in force.
    #[error("{} would remove {what}, which takes a restart: correct the file, or restart the exporter", path.display())]
    Weaker {
        /// The file.
        path: PathBuf,
        /// The protection.
        what: &'static str,
    },
    /// It is not of the format.
    #[error("{0}")]
    Syntax(String),
    /// A setting has a value that cannot be used.
    #[error("{key}: {reason}")]
    Setting {
        /// The key, such as `tls_server_config.min_version`.
        key: String,
        /// What is wrong with its value.
        reason: String,
    },
}

impl WebConfigError {
    /// Cuts both texts and replaces what is not printable: they may repeat text of the file, which may be of any length.
    pub(super) fn setting(key: &str, reason: impl Into<String>) -> Self {
        let cut = |text: &str| printable(&text.chars().take(500).collect::<String>());
        Self::Setting { key: cut(key), reason: cut(&reason.into()) }
    }
}
