//! The three platforms, simulated over real HTTP: for tests, `demo` and `simulate`.
//!
//! Written from the platforms' pages and from nothing else in this crate but days, so that an exporter that agrees with
//! it agrees with the pages. It is as strict as they are: what a platform refuses is refused, with the platform's own
//! code, envelope and HTTP status. Figures are pure functions of a seed, a subject and a day; no day is stored.
//!
//! A request passes `server` (and `faults`, `journal`), its platform's front door (`wecom`, `desk`, `feishu`: tokens,
//! quota, envelope), and its API (`wecom/contact`, `feishu/message_push` and so on), which draws figures of the people in
//! `company`.

mod answer;
mod apis;
mod company;
mod configuration;
mod desk;
mod distort;
mod draw;
mod faults;
mod feishu;
pub mod figures;
mod journal;
mod names;
mod quota;
mod server;
mod subject;
mod tokens;
mod usersig;
mod wecom;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use apis::Platform;
pub use company::{Agent, Company, Department, FeishuDepartment, KfAccount, Servicer, User};
pub use faults::{Effect, Fault, Faults};
pub use journal::LoggedCall;
pub use tokens::Credential;

use crate::day::{Clock, Day};
use apis::APIS;
use faults::Overlay;
use journal::Journal;
use quota::Quota;
use tokens::Tokens;

/// What is simulated, and how strictly.
#[derive(Clone, Debug)]
pub struct Options {
    /// The members in WeCom, at least 4; all else is sized by them.
    pub users: u32,
    /// What the company and its figures are derived from.
    pub seed: u64,
    /// Whether calls beyond the platforms' published limits are refused.
    pub enforce_limits: bool,
    /// The clock that days, tokens and limits go by.
    pub clock: Clock,
    /// How long a token of WeCom or Feishu is valid.
    pub token_lifetime: Duration,
    /// Where given, the limit of each API instead of the published ones.
    pub calls_per_minute: Option<u32>,
    /// Whether the company is of the education trade, which alone gets the field of migrated groups.
    pub education: bool,
}

impl Options {
    /// A company of that many users; seed 1, with limits, tokens of two hours.
    #[must_use]
    pub fn new(users: u32, clock: Clock) -> Self {
        Self {
            users,
            seed: 1,
            enforce_limits: true,
            clock,
            token_lifetime: Duration::from_secs(7200),
            calls_per_minute: None,
            education: false,
        }
    }
}

/// The simulated platforms, serving until this is dropped.
pub struct Simulator {
    world: Arc<World>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

/// What all requests share.
struct World {
    company: Company,
    education: bool,
    clock: Clock,
    tokens: Tokens,
    quota: Quota,
    faults: Faults,
    journal: Journal,
}

impl World {
    /// What the faults make of the figures of `subject` on `day`.
    fn overlay(&self, path: &'static str, subject: &str, day: Day, now: Timestamp) -> Overlay {
        self.overlay_where(path, subject, true, day, now)
    }

    /// The same of those faults only that name the subject.
    fn overlay_of(&self, path: &'static str, subject: &str, day: Day, now: Timestamp) -> Overlay {
        self.overlay_where(path, subject, false, day, now)
    }

    fn overlay_where(&self, path: &str, subject: &str, general: bool, day: Day, now: Timestamp) -> Overlay {
        // A department asks this for each of its members and days.
        if self.faults.is_empty() {
            return Overlay::default();
        }
        let api = APIS.iter().find(|api| api.path == path);
        api.map(|api| self.faults.overlay(api, subject, general, day, now)).unwrap_or_default()
    }
}

impl Simulator {
    /// Starts to serve all three platforms on one address; port 0 takes a free one.
    ///
    /// # Errors
    /// Where the address cannot be listened on.
    pub async fn start(listen: SocketAddr, options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let company = Company::new(options.users, options.seed);
        let world = Arc::new(World {
            education: options.education,
            clock: options.clock,
            tokens: Tokens::new(&company, options.token_lifetime),
            quota: Quota::new(options.enforce_limits, options.calls_per_minute),
            faults: Faults::default(),
            journal: Journal::new(),
            company,
        });
        let server = tokio::spawn(server::serve(listener, Arc::clone(&world)));
        Ok(Self { world, address, server })
    }

    /// The address that is listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL of all three platforms, such as `http://127.0.0.1:8080`.
    #[must_use]
    pub fn base_url(&self) -> String {
        if self.address.ip().is_unspecified() {
            return format!("http://127.0.0.1:{}", self.address.port());
        }
        format!("http://{}", self.address)
    }

    /// The company, and the credentials that the simulator started with.
    #[must_use]
    pub fn company(&self) -> &Company {
        &self.world.company
    }

    /// The configuration of an exporter that polls everything here, with the secrets in force.
    #[must_use]
    pub fn configuration(&self) -> String {
        let secret = |credential| self.world.tokens.secret(credential);
        let secrets = [Credential::Wecom, Credential::WecomKf, Credential::TencentDesk, Credential::Feishu].map(secret);
        let [wecom, kf, desk, feishu] = &secrets;
        configuration::write(
            self.company(),
            &self.base_url(),
            [wecom, kf, desk, feishu],
            self.world.quota.is_enforced(),
        )
    }

    /// The number of HTTP requests per API, by its path without the platform's prefix and with ids templated, since the
    /// start or the last [`Simulator::reset_calls`]; APIs without calls are left out, and paths that no platform has
    /// are
    /// `unknown`.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.world.journal.counts()
    }

    /// The last 100,000 calls, oldest first.
    #[must_use]
    pub fn log(&self) -> Vec<LoggedCall> {
        self.world.journal.log()
    }

    /// Empties the counts and the log.
    pub fn reset_calls(&self) {
        self.world.journal.reset();
    }

    /// What goes wrong; rules can be added and removed at any time.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.world.faults
    }

    /// Voids every token that was issued.
    pub fn revoke_tokens(&self) {
        self.world.tokens.revoke();
    }

    /// Replaces a secret and voids its tokens: the old one is refused from now on. Returns the new one.
    pub fn rotate_secret(&self, credential: Credential) -> String {
        self.world.tokens.rotate(credential)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.server.abort();
    }
}
