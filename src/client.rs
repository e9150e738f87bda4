//! The only outgoing I/O to platforms: logs in, paces calls, repeats after temporary faults, and classifies the
//! answers.
//!
//! A call goes through a gate (its API's pace, and any pause), gets its token, is exchanged, and is judged by the
//! platform's codes. Whatever fails comes back as a [`Failure`], cut by what the caller does next.

mod connect;
mod credential;
mod failure;
mod gate;
mod json;
mod lookup;
mod outside;
mod proxy;
mod reply;
mod scrub;
mod tls_cause;
mod token;
mod transport;
mod words;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::config::Account;
use crate::day::Clock;
use crate::platform::{Call, Class, Pass, Proof, Refusal};
use crate::telemetry::{Outcome, Telemetry};

use connect::Connection;
use credential::CredentialState;
use gate::{Gate, Turn};
use reply::Count;
use transport::ExchangeError;

pub(crate) use connect::{Ways, connect_receiver};
pub use credential::Denial;
pub use failure::{Failure, Pause};
pub(crate) use proxy::is_loopback;
pub use proxy::{Proxies, ProxyError};
pub use reply::Reply;
pub(crate) use scrub::scrub;
pub(crate) use tls_cause::tls_cause;
pub(crate) use words::{through, words};

/// How long a call waits for a pause to end: no person is waiting for it.
const PATIENCE: Duration = Duration::from_secs(90);

/// How often a call is repeated that the platform could not answer.
const REPEATS: usize = 2;

/// Asks platforms. Cloning gives another handle to the same client.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
    /// A pause up to this long is waited for; calls that would wait longer fail at once.
    patience: Duration,
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    telemetry: Telemetry,
    repeat_delay: Duration,
    /// By platform and API.
    gates: Mutex<HashMap<(&'static str, &'static str), Gates>>,
    /// By [`Account::key`], like the connections.
    credentials: Mutex<HashMap<String, Arc<CredentialState>>>,
    connections: Mutex<HashMap<String, Connection>>,
    /// Those of the environment; none until it was read.
    proxies: OnceLock<Proxies>,
}

/// The gates of one API, by the id that its limits are counted by.
type Gates = HashMap<String, Arc<Gate>>;

/// What an exchange is for.
#[derive(Clone, Copy)]
enum Aim<'a> {
    /// The answer to a call.
    Answer,
    /// A token, with the body in place of the call's own where that holds a secret.
    Token(Option<&'a secrecy::SecretString>),
}

/// What a platform said to one exchange.
enum Verdict {
    Yes(Reply),
    No(Refusal),
}

impl Client {
    /// A client that repeats after a temporary fault, after about `repeat_delay`, then twice that.
    #[must_use]
    pub fn new(clock: Clock, telemetry: Telemetry, repeat_delay: Duration) -> Self {
        let inner = Inner {
            clock,
            telemetry,
            repeat_delay,
            gates: Mutex::default(),
            credentials: Mutex::default(),
            connections: Mutex::default(),
            proxies: OnceLock::new(),
        };
        Self { inner: Arc::new(inner), patience: PATIENCE }
    }

    /// Another handle to the same client that waits for no pause longer than `patience`: for a command at a terminal.
    #[must_use]
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self { inner: Arc::clone(&self.inner), patience }
    }

    /// Reaches platforms through `proxies`, where an account has none of its own; the first ones count.
    pub fn go_through(&self, proxies: Proxies) {
        let _ = self.inner.proxies.set(proxies);
    }

    /// Asks `account`'s platform.
    ///
    /// # Errors
    /// The [`Failure`]; temporary faults were tried again before.
    pub async fn ask(&self, account: &Account, call: &Call) -> Result<Reply, Failure> {
        let delays =
            ExponentialBuilder::default().with_min_delay(self.inner.repeat_delay).with_max_times(REPEATS).with_jitter();
        (|| self.attempt(account, call))
            .retry(delays)
            .when(|failure| match failure {
                Failure::Unavailable(_) => true,
                Failure::Throttled(pause) => pause.left <= self.patience,
                _ => false,
            })
            // A pause is waited for at the gate; without a delay there are no more repetitions.
            .adjust(|failure, delay| {
                let throttled = matches!(failure, Failure::Throttled(_));
                delay.map(|delay| if throttled { Duration::ZERO } else { delay })
            })
            .await
    }

    /// The refusal that forbids calling `api` of `account` now.
    #[must_use]
    pub fn denial(&self, account: &Account, api: &'static str) -> Option<Denial> {
        self.credential_state(account).denial(api, &account.credential, self.inner.clock.now())
    }

    /// How long `api` of `account` is paused yet; zero where it is not.
    #[must_use]
    pub fn pause_left(&self, account: &Account, api: &'static str) -> Duration {
        self.gate(account, api).pause_left(self.inner.clock.elapsed())
    }

    /// When the token of `account` expires, where there is one.
    #[must_use]
    pub fn token_expiry(&self, account: &Account) -> Option<Timestamp> {
        self.credential_state(account).expiry()
    }

    /// Takes up a changed configuration: refusals are forgotten (once a minute at most), secrets compared, connections
    /// made anew; pacing and tokens of unchanged secrets stay.
    pub async fn reload(&self) {
        self.inner.connections.lock().clear();
        let now = self.inner.clock.elapsed();
        let all: Vec<_> = self.inner.credentials.lock().values().cloned().collect();
        for state in all {
            state.forgive(now);
            if let Some(held) = &mut *state.token.lock().await {
                held.current = false;
            }
        }
    }

    async fn attempt(&self, account: &Account, call: &Call) -> Result<Reply, Failure> {
        let state = self.credential_state(account);
        let mut token = self.token(account, &state).await?;
        let platform = account.credential.platform;
        let mut said =
            self.exchange(account, &state, call, &platform.pass(&account.credential, &token), Aim::Answer).await?;
        let outside = if let Proof::Token(source) = &account.credential.proof { Some(source) } else { None };
        // A wrong signature is refused like a wrong key, and the next one from outside may be right.
        let refuses_token = |class| class == Class::Token || (class == Class::Account && outside.is_some());
        if let Verdict::No(refusal) = &said
            && refuses_token(refusal.class)
        {
            self.drop_token(&state, &token).await;
            let refused = std::mem::replace(&mut token, self.token(account, &state).await?);
            if let Some(source) = outside.filter(|_| refused.is(&token)) {
                return Err(self.same_token(account, &state, source, refusal, &token).await);
            }
            said =
                self.exchange(account, &state, call, &platform.pass(&account.credential, &token), Aim::Answer).await?;
        }
        if matches!(&said, Verdict::No(refusal) if refusal.class == Class::Account || refuses_token(refusal.class))
            && let Some(held) = &mut *state.token.lock().await
        {
            // A signature of the secret before this one is refused like a wrong one; what comes from outside is read
            // again.
            held.current = false;
        }
        match said {
            Verdict::Yes(reply) => Ok(reply),
            Verdict::No(refusal) => Err(match refusal.class {
                Class::NoData => Failure::NoData,
                Class::Target => Failure::Refused(refusal),
                Class::Token => {
                    let text = match outside {
                        None => format!("{refusal} (of a token that was made just now)"),
                        Some(source) => format!("{refusal} (of a token that came just now from {source})"),
                    };
                    Failure::Denied(state.deny(None, text, None, &account.credential, self.inner.clock.now()))
                }
                _ => self.failure(account, &state, call.api, refusal),
            }),
        }
    }

    /// What a refusal means that concerns more than what was asked for.
    fn failure(&self, account: &Account, state: &CredentialState, api: &'static str, refusal: Refusal) -> Failure {
        let now = self.inner.clock.now();
        let deny = |api| Failure::Denied(state.deny(api, refusal.to_string(), refusal.wait, &account.credential, now));
        match refusal.class {
            Class::Account | Class::Token => deny(None),
            Class::Permission => deny(Some(api)),
            Class::Throttled => {
                let why = refusal.to_string();
                let left = self.gate(account, api).pause(refusal.wait, why.clone(), self.inner.clock.elapsed());
                let until = now.checked_add(left).unwrap_or(Timestamp::MAX);
                self.inner.telemetry.paused(&account.name, api, Some(until));
                tracing::warn!(
                    account = account.name,
                    api,
                    seconds = left.as_secs(),
                    "the platform wants a pause: {why}"
                );
                Failure::Throttled(Pause { left, why })
            }
            Class::Unavailable | Class::Foreign => Failure::Unavailable(refusal.to_string()),
            Class::NoData | Class::Target | Class::Unknown => Failure::Unknown(refusal),
        }
    }

    /// One HTTP exchange, when its turn has come; counted, a [`Reply`] when its content was read.
    async fn exchange(
        &self,
        account: &Account,
        state: &CredentialState,
        call: &Call,
        pass: &Pass,
        aim: Aim<'_>,
    ) -> Result<Verdict, Failure> {
        let gate = self.gate(account, call.api);
        self.turn(account, &gate, call.api).await?;
        // Others may have been refused while this one waited.
        if let Some(denial) = state.denial(call.api, &account.credential, self.inner.clock.now()) {
            return Err(Failure::Denied(denial));
        }
        let connection = self.connection(account).map_err(Failure::Unavailable)?;
        let started = std::time::Instant::now();
        let body = if let Aim::Token(body) = aim { body } else { None };
        let answer = transport::exchange(&connection, account, call, pass, body).await;
        let platform = account.credential.platform;
        let mut judged = answer.map(|mut reply| (scrub::judge(platform, call.api, &mut reply, pass, body), reply.body));
        if let Ok((Err(refusal), _)) = &mut judged
            && account.pseudonyms.is_some()
        {
            refusal.quoted = None;
            if refusal.class == Class::Unknown {
                "the table has no such code, and the platform's words may name people, so they are not repeated"
                    .clone_into(&mut refusal.text);
            }
        }
        let is_login = matches!(aim, Aim::Token(_));
        let count = Count::new(&self.inner.telemetry, &account.name, call.api, started.elapsed());
        match judged {
            Ok((Ok(()), body)) => {
                if gate.accepted(self.inner.clock.elapsed()) {
                    self.inner.telemetry.paused(&account.name, call.api, None);
                }
                if !is_login {
                    // A login shows that the secret is right, and not that anything may be asked with it.
                    state.accepted(call.api);
                }
                Ok(Verdict::Yes(Reply::new(body, count)))
            }
            Ok((Err(refusal), _)) => {
                if let (Class::Unknown, Some(words)) = (refusal.class, &refusal.quoted) {
                    tracing::debug!(
                        account = account.name,
                        api = call.api,
                        code = %refusal.code,
                        "the platform says: {words}"
                    );
                }
                count.end_as(match outcome(refusal.class) {
                    // A login has no token that could have been refused, and no target.
                    Outcome::Token | Outcome::Refused | Outcome::NoData if is_login => Outcome::Denied,
                    outcome => outcome,
                });
                Ok(Verdict::No(refusal))
            }
            Err(ExchangeError::Unavailable(text)) => {
                count.end_as(Outcome::Unavailable);
                Err(Failure::Unavailable(text))
            }
            Err(ExchangeError::Foreign(text)) => {
                count.end_as(Outcome::Unavailable);
                Err(if is_login { Failure::Malformed(text) } else { Failure::Unavailable(text) })
            }
            Err(ExchangeError::Malformed(text)) => {
                count.end_as(Outcome::Malformed);
                Err(Failure::Malformed(text))
            }
        }
    }

    /// Waits for the call's turn.
    async fn turn(&self, account: &Account, gate: &Gate, api: &'static str) -> Result<(), Failure> {
        let clock = &self.inner.clock;
        loop {
            match gate.take(account.rate(api), clock.elapsed()) {
                Turn::Paused(left) if left > self.patience => {
                    return Err(Failure::Throttled(Pause { left, why: gate.why() }));
                }
                Turn::Paused(left) => clock.sleep(left).await,
                Turn::After(wait) => {
                    if !wait.is_zero() {
                        clock.sleep(wait).await;
                    }
                    if gate.pause_left(clock.elapsed()).is_zero() {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn connection(&self, account: &Account) -> Result<Connection, String> {
        if let Some(connection) = self.inner.connections.lock().get(&account.key) {
            return Ok(connection.clone());
        }
        let connection = Connection::new(account, self.proxies())?;
        self.inner.connections.lock().insert(account.key.clone(), connection.clone());
        Ok(connection)
    }

    /// The proxies of the environment.
    fn proxies(&self) -> Proxies {
        self.inner.proxies.get().cloned().unwrap_or_default()
    }

    fn gate(&self, account: &Account, api: &'static str) -> Arc<Gate> {
        let credential = &account.credential;
        let of_company = (credential.platform.name(), api);
        entry(self.inner.gates.lock().entry(of_company).or_default(), &credential.id)
    }

    fn credential_state(&self, account: &Account) -> Arc<CredentialState> {
        entry(&mut self.inner.credentials.lock(), &account.key)
    }
}

fn outcome(class: Class) -> Outcome {
    match class {
        Class::Token => Outcome::Token,
        Class::Account | Class::Permission => Outcome::Denied,
        Class::Target | Class::Unknown => Outcome::Refused,
        Class::Throttled => Outcome::Throttled,
        Class::Unavailable | Class::Foreign => Outcome::Unavailable,
        Class::NoData => Outcome::NoData,
    }
}

/// The entry for `key`, made if there is none.
fn entry<V: Default>(map: &mut HashMap<String, Arc<V>>, key: &str) -> Arc<V> {
    match map.get(key) {
        Some(found) => Arc::clone(found),
        None => Arc::clone(map.entry(key.to_owned()).or_default()),
    }
}
