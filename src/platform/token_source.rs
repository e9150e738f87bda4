//! Tokens that come from outside, in the place of a secret: no login is made with them.

use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

use super::{Secret, SecretError};

/// How a credential is proven.
#[derive(Clone, Debug)]
pub enum Proof {
    /// By a secret, with which we fetch a token or make a signature.
    Secret(Secret),
    /// By a token that another program fetches or makes.
    Token(TokenSource),
}

impl Proof {
    /// The secret, or the token in a file: another one than before is another proof. `None` where it would have to be
    /// asked for.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn present(&self) -> Result<Option<SecretString>, SecretError> {
        match self {
            Self::Secret(secret) => secret.read().map(Some),
            Self::Token(TokenSource::File(path)) => Secret::File(path.clone()).read().map(Some),
            Self::Token(_) => Ok(None),
        }
    }
}

/// Where a token is read from.
#[derive(Clone, Debug)]
pub enum TokenSource {
    /// This file holds it; a line end after it does not belong to it.
    File(PathBuf),
    /// This program prints it, run with these arguments and without a shell.
    Command {
        /// The program: a path, or a name that is looked up in `PATH`.
        program: PathBuf,
        /// What it is called with.
        arguments: Vec<String>,
    },
    /// A server of the company's gives it, in JSON.
    Url {
        /// The address, which may hold a secret in its query.
        url: SecretString,
        /// The address as it may be shown.
        shown: String,
        /// Headers of the request.
        headers: Vec<(String, Secret)>,
        /// The JSON pointer of the token.
        token_at: String,
        /// The JSON pointer of the seconds that it holds, or of the Unix time at which it ends.
        expires_at: Option<String>,
    },
}

impl fmt::Display for TokenSource {
    /// Says where it is, for operators; arguments and queries may hold secrets and are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Command { program, .. } => write!(f, "the command {}", program.display()),
            Self::Url { shown, .. } => write!(f, "the token server {shown}"),
        }
    }
}
