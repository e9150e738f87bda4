//! `--web.access-log`: which user read what, and failed logins.

use hyper::body::Body;
use hyper::{Method, StatusCode};

use super::answer::Answer;
use super::log_limiter::LogLimiter;
use super::transport::Peer;
use crate::printable::printable;

/// How many failed logins are told in a minute, and how many other refused requests: who guesses passwords is not to
/// fill the disk, nor to hide his guesses among the others.
const MOST_REFUSED: u32 = 20;
/// The longest path that is told.
const MOST_PATH: usize = 200;

/// The access log: one line per request at level info.
#[derive(Debug)]
pub(super) struct AccessLog {
    is_on: bool,
    logins: LogLimiter,
    refused: LogLimiter,
}

impl AccessLog {
    pub(super) fn new(is_on: bool) -> Self {
        Self { is_on, logins: LogLimiter::new(MOST_REFUSED), refused: LogLimiter::new(MOST_REFUSED) }
    }

    /// Tells one request. `user` is the one that it names and that exists; of others the name is not told, as it may
    /// be a password in the wrong field. Nor is the query, which may hold whatever somebody pasted.
    pub(super) fn tell(&self, peer: &Peer, user: Option<&str>, (method, path): (&Method, &str), answer: &Answer) {
        if !self.is_on {
            return;
        }
        let status = answer.status();
        let is_read = status.is_success();
        let (message, left_out) = match status {
            _ if is_read => ("answered", Some(0)),
            StatusCode::UNAUTHORIZED => ("login failed", self.logins.admit()),
            _ => ("refused", self.refused.admit()),
        };
        let Some(left_out) = left_out else { return };
        let address = peer.address.to_canonical();
        let user = user.map(printable);
        let certificate = peer.certificate.as_deref().map(printable);
        let path = printable(&path.chars().take(MOST_PATH).collect::<String>());
        let method = printable(&method.as_str().chars().take(20).collect::<String>());
        let bytes = answer.body().size_hint().exact().unwrap_or(0);
        tracing::info!(
            peer = %address,
            user,
            certificate,
            method,
            path,
            status = status.as_u16(),
            bytes,
            left_out = (left_out > 0).then_some(left_out),
            "{message}"
        );
    }
}
