//! The users of the web configuration: their passwords, and how many are checked at a time.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use super::error::WebConfigError;
use crate::http::peers::{PeerSlot, Peers};

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
    /// The password was not checked: too many others of this peer are being checked.
    Crowded,
}

/// A user and a password, hashed with two random keys. 128 bits leave nothing to guess.
type Key = (u64, u64);

/// Users and the bcrypt hashes of their passwords.
pub(in crate::http) struct Users {
    hashes: BTreeMap<String, Hash>,
    /// The highest cost of a hash.
    dearest: u32,
    keys: (RandomState, RandomState),
    checks: Arc<Checks>,
}

#[derive(Clone)]
struct Hash {
    text: String,
    cost: u32,
}

/// The passwords that were right, and those that are being checked.
struct Checks {
    /// Those that were right: bcrypt takes a tenth of a second and more, and Prometheus sends its password with each
    /// scrape.
    right: Mutex<HashSet<Key>>,
    /// Those whose check is under way, with what comes of it: all requests with the same password wait for one check.
    running: Mutex<HashMap<Key, Arc<watch::Sender<Option<bool>>>>>,
    /// One at a time, or guesses could use up all processors.
    turn: Arc<Semaphore>,
    /// How many passwords of each client wait: one client's guesses must not delay the others for long.
    waiting: Arc<Peers>,
}

impl Users {
    /// Users by their names, with bcrypt hashes.
    ///
    /// # Errors
    /// [`WebConfigError::Setting`] for what is not a hash, without repeating it.
    pub(super) fn new(users: &BTreeMap<String, String>) -> Result<Self, WebConfigError> {
        let hash = |(user, text): (&String, &String)| {
            let cost = bcrypt::HashParts::from_str(text).ok().map(|parts| parts.get_cost());
            let Some(cost) = cost.filter(|cost| COSTS.contains(cost)) else {
                let reason = "is not a bcrypt hash; make one with htpasswd -nBC 10";
                return Err(WebConfigError::setting(&format!("basic_auth_users.{user}"), reason));
            };
            Ok((user.clone(), Hash { text: text.clone(), cost }))
        };
        let hashes: BTreeMap<_, _> = users.iter().map(hash).collect::<Result<_, _>>()?;
        let dearest = hashes.values().map(|hash| hash.cost).max().unwrap_or(*COSTS.start());
        Ok(Self { hashes, dearest, keys: (RandomState::new(), RandomState::new()), checks: Arc::new(Checks::new()) })
    }

    /// The user of a request with `headers`, if there is one of that name, whatever the password.
    pub(in crate::http) fn named(&self, headers: &HeaderMap) -> Option<&str> {
        let (user, _) = credentials(headers)?;
        self.hashes.get_key_value(&user).map(|(user, _)| user.as_str())
    }

    /// Tells whether a request with `headers` has a password that was found right before.
    pub(in crate::http) fn remember(&self, headers: &HeaderMap) -> bool {
        let known = credentials(headers).filter(|(user, _)| self.hashes.contains_key(user));
        known.is_some_and(|(user, password)| self.checks.right.lock().contains(&self.key(&user, &password)))
    }

    /// Tells whether a request with `headers`, which came from `peer`, names a user with the right password.
    pub(in crate::http) async fn admit(&self, headers: &HeaderMap, peer: IpAddr) -> AuthResult {
        let Some((user, password)) = credentials(headers) else { return AuthResult::Denied };
        let key = self.key(&user, &password);
        let hash = self.hashes.get(&user).cloned();
        if hash.is_some() && self.checks.right.lock().contains(&key) {
            return AuthResult::Granted;
        }
        let Some(mut outcome) = self.checks.begin(key, peer, password, hash, self.dearest) else {
            return AuthResult::Crowded;
        };
        // The sender goes without an answer only where the runtime ends.
        match outcome.wait_for(Option::is_some).await.map(|outcome| *outcome) {
            Ok(Some(true)) => AuthResult::Granted,
            _ => AuthResult::Denied,
        }
    }

    fn key(&self, user: &str, password: &[u8]) -> Key {
        (self.keys.0.hash_one((user, password)), self.keys.1.hash_one((user, password)))
    }
}

impl Checks {
    fn new() -> Self {
        Self {
            right: Mutex::default(),
            running: Mutex::default(),
            turn: Arc::new(Semaphore::new(1)),
            waiting: Peers::new(MOST_CHECKS),
        }
    }

    /// Joins the check of this password, or begins one; `None` where too many others of `peer` are under way.
    fn begin(
        self: &Arc<Self>,
        key: Key,
        peer: IpAddr,
        password: Vec<u8>,
        hash: Option<Hash>,
        dearest: u32,
    ) -> Option<watch::Receiver<Option<bool>>> {
        let mut running = self.running.lock();
        // It may have been found right since the request looked.
        if hash.is_some() && self.right.lock().contains(&key) {
            return Some(watch::channel(Some(true)).1);
        }
        match running.entry(key) {
            Entry::Occupied(entry) => Some(entry.get().subscribe()),
            Entry::Vacant(entry) => {
                let slot = self.waiting.enter(peer)?;
                let (sender, receiver) = watch::channel(None);
                let sender = Arc::clone(entry.insert(Arc::new(sender)));
                tokio::spawn(Arc::clone(self).check(key, sender, slot, password, hash, dearest));
                Some(receiver)
            }
        }
    }

    /// Checks a password when its turn comes, for all requests that wait for it.
    async fn check(
        self: Arc<Self>,
        key: Key,
        outcome: Arc<watch::Sender<Option<bool>>>,
        slot: PeerSlot,
        password: Vec<u8>,
        hash: Option<Hash>,
        dearest: u32,
    ) {
        let turn = loop {
            tokio::select! {
                turn = Arc::clone(&self.turn).acquire_owned() => break turn,
                () = outcome.closed() => {
                    // All clients have gone before it began. Looked at under the lock: one may have come meanwhile.
                    let mut running = self.running.lock();
                    if outcome.receiver_count() == 0 {
                        running.remove(&key);
                        return;
                    }
                }
            }
        };
        // Held by the blocking task: clients that go away free neither while bcrypt runs.
        let matching = tokio::task::spawn_blocking(move || {
            let _held = (slot, turn);
            matches(&password, hash.as_ref(), dearest)
        });
        let is_right = matching.await.unwrap_or(false);
        let mut running = self.running.lock();
        if is_right {
            let mut right = self.right.lock();
            if right.len() >= MOST_REMEMBERED {
                right.clear();
            }
            right.insert(key);
        }
        running.remove(&key);
        outcome.send_replace(Some(is_right));
    }
}

/// Tells whether the password is that of the hash. A "no" takes the time of the highest cost of all users, or the time
/// would show which users exist: for an unknown user as for one whose own hash is cheap.
fn matches(password: &[u8], hash: Option<&Hash>, dearest: u32) -> bool {
    if hash.is_some_and(|hash| bcrypt::verify(password, &hash.text).unwrap_or(false)) {
        return true;
    }
    for cost in costs_after_no(hash.map(|hash| hash.cost), dearest) {
        let _ = bcrypt::hash_with_salt(password, cost, SALT);
    }
    false
}

/// The costs of the hashes that are still to be made after a "no", which has taken the time of `own` where the user is
/// known. Each cost takes twice the time of the one before, so that `own`, and all from it on, take that of the one
/// after.
fn costs_after_no(own: Option<u32>, dearest: u32) -> Range<u32> {
    own.map_or(dearest..dearest + 1, |own| own..dearest)
}

/// Of hashes that are made only for the time that they take.
const SALT: [u8; 16] = [0; 16];

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
        assert_eq!(users.checks.right.lock().len(), 1, "the second time bcrypt was not asked");
        for wrong in ["ann:wrong", "bob:right", "ann:", ":right", "ann", "ann:right\n", ""] {
            assert_eq!(users.admit(&basic(wrong), HERE).await, AuthResult::Denied, "{wrong}");
        }
        for headers in [HeaderMap::new(), asking("Bearer abc"), asking("Basic %%%")] {
            assert_eq!(users.admit(&headers, HERE).await, AuthResult::Denied);
        }
    }

    #[tokio::test]
    async fn a_password_counts_up_to_its_72nd_byte() {
        let first = "p".repeat(72);
        let hash = bcrypt::hash(format!("{first}one"), 4).unwrap();
        let users = Users::new(&[("ann".to_owned(), hash)].into()).unwrap();
        for (password, result) in
            [(format!("{first}another"), AuthResult::Granted), ("p".repeat(71), AuthResult::Denied)]
        {
            assert_eq!(users.admit(&basic(&format!("ann:{password}")), HERE).await, result, "{password}");
        }
    }

    #[tokio::test]
    async fn guesses_of_one_client_do_not_delay_another() {
        let users = Arc::new(users());
        let admit = |pair: &str, peer| {
            let (users, headers) = (Arc::clone(&users), basic(pair));
            async move { users.admit(&headers, peer).await }
        };
        let busy = users.checks.turn.acquire().await.unwrap();
        let mut guesses: JoinSet<_> = (0..100).map(|n| admit(&format!("ann:wrong{n}"), HERE)).collect();
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
    async fn requests_with_the_same_password_wait_for_one_check_of_it() {
        let users = Arc::new(users());
        let busy = users.checks.turn.acquire().await.unwrap();
        for (pair, expected) in [("ann:right", AuthResult::Granted), ("ann:wrong", AuthResult::Denied)] {
            let admit = |_| {
                let (users, headers) = (Arc::clone(&users), basic(pair));
                async move { users.admit(&headers, HERE).await }
            };
            let asking: JoinSet<_> = (0..40).map(admit).collect();
            while users.checks.running.lock().values().all(|check| check.receiver_count() < 40) {
                tokio::task::yield_now().await;
            }
            assert_eq!(users.checks.running.lock().len(), 1, "40 requests, one check");
            users.checks.turn.add_permits(1);
            assert_eq!(asking.join_all().await, [expected; 40]);
            users.checks.turn.forget_permits(1);
        }
        drop(busy);
        assert!(users.checks.running.lock().is_empty());
    }

    #[tokio::test]
    async fn a_client_that_goes_away_frees_its_place_only_when_its_password_is_checked() {
        // Dear enough that it is still being checked when we look.
        let hash = bcrypt::hash("right", 12).unwrap();
        let users = Users::new(&[("ann".to_owned(), hash)].into()).unwrap();
        for n in 0..MOST_CHECKS {
            let guess = basic(&format!("ann:wrong{n}"));
            assert!(tokio::time::timeout(Duration::from_millis(1), users.admit(&guess, HERE)).await.is_err());
            if n == 0 {
                assert_eq!(users.checks.turn.available_permits(), 0, "it is being checked, though its client has gone");
            }
        }
        // The others had not begun, so nothing is done for them any more; their places are free.
        while users.checks.running.lock().len() > 1 {
            tokio::task::yield_now().await;
        }
        for _ in 1..MOST_CHECKS {
            std::mem::forget(users.checks.waiting.enter(HERE).unwrap());
        }
        assert!(users.checks.waiting.enter(HERE).is_none(), "the one that is being checked still has its place");
        assert!(tokio::time::timeout(Duration::from_secs(60), users.checks.turn.acquire()).await.is_ok());
        assert!(users.checks.waiting.enter(HERE).is_some());
    }

    #[test]
    fn a_no_takes_the_time_of_the_dearest_hash_for_every_user() {
        // In rounds of bcrypt, as times depend on what else the machine does.
        let rounds = |own: Option<u32>| {
            let after = costs_after_no(own, 12).map(|cost| 1_u64 << cost);
            own.map_or(0, |own| 1 << own) + after.sum::<u64>()
        };
        assert_eq!(rounds(None), 1 << 12, "there is no user of that name");
        for own in 4..=12 {
            assert_eq!(rounds(Some(own)), 1 << 12, "{own}");
        }
        let hash = |cost| bcrypt::hash("right", cost).unwrap();
        let users = Users::new(&[("ann".to_owned(), hash(4)), ("zed".to_owned(), hash(5))].into()).unwrap();
        assert_eq!(users.dearest, 5);
    }
}
