//! `--web.access-log`: which user read what, and failed logins.

use hyper::body::Body;
use hyper::{Method, StatusCode};

use super::answer::Answer;
use super::log_limiter::LogLimiter;
use super::transport::Peer;
use crate::printable::printable;

/// How many failed logins are logged in a minute, and how many other refused requests: a client that guesses passwords
/// must not fill the disk, nor hide its guesses among other requests.
const MOST_REFUSED: u32 = 20;
/// How many characters of a path are logged.
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

    /// Logs one request. `user` is the user that the request names, if there is one of that name; a name that does not
    /// exist is left out, since it may be a password in the wrong field. The query is left out as well: it may hold
    /// anything.
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
