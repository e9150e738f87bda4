//! The web server: the page that Prometheus scrapes, the status page, health, reload, dashboards.
//!
//! It only shows what others publish. Nothing here waits for a platform, the store or another client.

mod access_log;
mod answer;
mod browser;
mod connection;
mod follow;
mod healthcheck;
mod listen;
mod log_limiter;
mod negotiate;
mod peers;
mod route;
mod serve;
mod server;
mod status;
mod systemd;
mod transport;
mod web_config;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::day::Clock;
use crate::exposition::Exposition;
use crate::telemetry::Telemetry;

pub use browser::AllowedHosts;
pub use healthcheck::{HealthcheckError, healthcheck};
pub use listen::{ListenError, is_public};
pub use serve::{Listeners, ServeEnd, bind};
pub use systemd::Supervisor;
pub use web_config::{WebConfig, WebConfigError};

/// Loads the configuration anew, or says why not.
pub type Reload = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// Which host names and users are admitted, and what is logged of requests.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The names by which the server may be asked.
    pub hosts: AllowedHosts,
    /// Whether each request is logged.
    pub log: bool,
}

/// What the server shows.
pub struct App {
    /// The pages.
    pub exposition: Exposition,
    /// Users, limits and TLS.
    pub web: WebConfig,
    /// What the flags say about requests.
    pub access: Access,
    /// Where requests are counted.
    pub telemetry: Telemetry,
    /// The path of the page for Prometheus, such as `/metrics`.
    pub telemetry_path: String,
    /// Is set once configuration, store and restored pages are loaded.
    pub ready: Arc<AtomicBool>,
    /// Is called for `POST /-/reload`; `None` where that is not enabled.
    pub reload: Option<Reload>,
    /// The dashboards to download: name and JSON.
    pub dashboards: &'static [(&'static str, &'static [u8])],
    /// The clock by which the status page tells how long ago something was.
    pub clock: Clock,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("telemetry_path", &self.telemetry_path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod web_tests;
