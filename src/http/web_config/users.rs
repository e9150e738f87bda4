//! The users of the web configuration: their passwords, and how many are checked at a time.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use tokio::sync::Semaphore;

use super::error::WebConfigError;
use crate::http::peers::Peers;

/// Far more than there are users; keeps a memory of passwords from growing.
const MOST_REMEMBERED: usize = 1_000;

/// The costs that bcrypt has; no password matches a hash of another.
const COSTS: RangeInclusive<u32> = 4..=31;

/// The passwords of one peer that are checked or wait for it; a browser opens six connections.
const MOST_CHECKS: usize = 8;

/// Whether a request is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum AuthResult {
    /// It names a user with the right password.
    Granted,
    /// It does not.
    Denied,
    /// Nobody looked: too many passwords of this peer are being checked.
    Crowded,
}

/// Users and the bcrypt hashes of their passwords.
pub(in crate::http) struct Users {
    hashes: BTreeMap<String, String>,
    /// Keyed hashes of users and passwords that were right: bcrypt takes a tenth of a second and more, and Prometheus
    /// sends its password with each scrape. Two random keys of 64 bits each leave nothing to guess.
    right: Mutex<HashSet<(u64, u64)>>,
    keys: (RandomState, RandomState),
    /// One at a time, or guesses could use up all processors.
    turn: Arc<Semaphore>,
    /// Whose passwords wait for their turn: guesses must not keep others out for long.
    waiting: Arc<Peers>,
}

impl Users {
    /// Users by their names, with bcrypt hashes.
    ///
    /// # Errors
    /// [`WebConfigError::Setting`] for what is no hash, without repeating it.
    pub(super) fn new(users: &BTreeMap<String, String>) -> Result<Self, WebConfigError> {
        for (user, hash) in users {
            let usable = |parts: bcrypt::HashParts| COSTS.contains(&parts.get_cost());
            if !bcrypt::HashParts::from_str(hash).is_ok_and(usable) {
                let reason = "is not a bcrypt hash; make one with htpasswd -nBC 10";
                return Err(WebConfigError::setting(&format!("basic_auth_users.{user}"), reason));
            }
        }
        Ok(Self {
            hashes: users.clone(),
            right: Mutex::default(),
            keys: (RandomState::new(), RandomState::new()),
            turn: Arc::new(Semaphore::new(1)),
            waiting: Peers::new(MOST_CHECKS),
        })
    }

    /// Tells whether a request with `headers`, which came from `peer`, names a user with the right password.
    pub(in crate::http) async fn admit(&self, headers: &HeaderMap, peer: IpAddr) -> AuthResult {
        let Some((user, password)) = credentials(headers) else { return AuthResult::Denied };
        let known = self.hashes.get(&user);
        let key = (self.keys.0.hash_one((&user, &password)), self.keys.1.hash_one((&user, &password)));
        let remembered = || known.is_some() && self.right().contains(&key);
        if remembered() {
            return AuthResult::Granted;
        }
        // An unknown user costs as much time as a known one, or the time would tell who is known.
        let Some(hash) = known.or_else(|| self.hashes.values().next()).cloned() else { return AuthResult::Denied };
        let Some(presence) = self.waiting.enter(peer) else { return AuthResult::Crowded };
        let Ok(turn) = Arc::clone(&self.turn).acquire_owned().await else { return AuthResult::Denied };
        // The same password may have waited before it.
        if remembered() {
            return AuthResult::Granted;
        }
        let matching = tokio::task::spawn_blocking(move || {
            // Held by the blocking task: a client that goes away frees neither while bcrypt runs.
            let _held = (turn, presence);
            bcrypt::verify(password, &hash).unwrap_or(false)
        })
        .await;
        if known.is_none() || !matching.unwrap_or(false) {
            return AuthResult::Denied;
        }
        let mut right = self.right();
        if right.len() >= MOST_REMEMBERED {
            right.clear();
        }
        right.insert(key);
        AuthResult::Granted
    }

    fn right(&self) -> std::sync::MutexGuard<'_, HashSet<(u64, u64)>> {
        self.right.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").field("count", &self.hashes.len()).finish_non_exhaustive()
    }
}

/// User and password of a `Basic` authorization.
fn credentials(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let (scheme, encoded) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let user = std::str::from_utf8(&decoded[..colon]).ok()?;
    Some((user.to_owned(), decoded[colon + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use tokio::task::JoinSet;

    use super::*;

    /// The cheapest that bcrypt has.
    fn users() -> Users {
        let hash = bcrypt::hash("right", 4).unwrap();
        Users::new(&[("ann".to_owned(), hash)].into()).unwrap()
    }

    fn asking(authorization: &str) -> HeaderMap {
        [(AUTHORIZATION, authorization.parse().unwrap())].into_iter().collect()
    }

    fn basic(pair: &str) -> HeaderMap {
        asking(&format!("Basic {}", STANDARD.encode(pair)))
    }

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_is_admitted() {
        let users = users();
        for _ in 0..2 {
            assert_eq!(users.admit(&basic("ann:right"), HERE).await, AuthResult::Granted);
        }
        assert_eq!(users.right().len(), 1, "the second time bcrypt was not asked");
        for wrong in ["ann:wrong", "bob:right", "ann:", ":right", "ann", "ann:right\n", ""] {
            assert_eq!(users.admit(&basic(wrong), HERE).await, AuthResult::Denied, "{wrong}");
        }
        for headers in [HeaderMap::new(), asking("Bearer abc"), asking("Basic %%%")] {
            assert_eq!(users.admit(&headers, HERE).await, AuthResult::Denied);
        }
    }

    #[tokio::test]
    async fn guesses_of_one_peer_keep_nobody_else_waiting() {
        let users = Arc::new(users());
        let admit = |pair: &str, peer| {
            let (users, headers) = (Arc::clone(&users), basic(pair));
            async move { users.admit(&headers, peer).await }
        };
        let busy = users.turn.acquire().await.unwrap();
        let mut guesses: JoinSet<_> = (0..100).map(|_| admit("ann:wrong", HERE)).collect();
        for _ in 0..100 - MOST_CHECKS {
            assert_eq!(guesses.join_next().await.unwrap().unwrap(), AuthResult::Crowded);
        }
        let asking = tokio::spawn(admit("ann:right", IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))));
        drop(busy);
        assert_eq!(asking.await.unwrap(), AuthResult::Granted);
        assert_eq!(guesses.join_all().await, [AuthResult::Denied; MOST_CHECKS]);
        assert_eq!(admit("ann:wrong", HERE).await, AuthResult::Denied, "later it may guess again");
    }

    #[tokio::test]
    async fn who_goes_away_frees_his_place_only_when_his_password_is_checked() {
        // Dear enough that it is still being checked when we look.
        let hash = bcrypt::hash("right", 12).unwrap();
        let users = Users::new(&[("ann".to_owned(), hash)].into()).unwrap();
        let guess = basic("ann:wrong");
        assert!(tokio::time::timeout(Duration::from_millis(1), users.admit(&guess, HERE)).await.is_err());
        assert_eq!(users.turn.available_permits(), 0);
        assert!(tokio::time::timeout(Duration::from_secs(60), users.turn.acquire()).await.is_ok());
    }
}
