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
    /// It would take away protection that is in force.
    #[error("{} would take away {what}, which only a restart does: mend it, or restart the exporter", path.display())]
    Weaker {
        /// The file.
        path: PathBuf,
        /// What would be gone.
        what: &'static str,
    },
    /// It is not of the format.
    #[error("{0}")]
    Syntax(String),
    /// A setting cannot be granted.
    #[error("{key}: {reason}")]
    Setting {
        /// The key, such as `tls_server_config.min_version`.
        key: String,
        /// What is wrong with its value.
        reason: String,
    },
}

impl WebConfigError {
    /// Both may hold what was written, which may be anything of any length.
    pub(super) fn setting(key: &str, reason: impl Into<String>) -> Self {
        let cut = |text: &str| printable(&text.chars().take(500).collect::<String>());
        Self::Setting { key: cut(key), reason: cut(&reason.into()) }
    }
}
