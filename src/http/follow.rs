//! Reads the web configuration again and again while the server runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::server::Server;
use super::web_config::RefreshResult;

/// The time between two readings.
const WEB_CONFIG_CHECK: Duration = Duration::from_secs(5);
/// How often the log repeats the error in a file, for as long as the file has it.
const FAULT_AGAIN: Duration = Duration::from_hours(1);
/// How often the log repeats that the certificate has expired or soon will.
const CERTIFICATE_AGAIN: Duration = Duration::from_hours(24);

/// Puts a changed web configuration in force, until the server ends. At most an hour passes between two log lines about
/// the same error.
pub(super) async fn follow_web_config(server: Arc<Server>, addresses: Vec<String>) {
    let mut fault: Option<(String, Instant)> = None;
    // The command has logged it at the start.
    let mut reminder = Reminder(Instant::now());
    loop {
        tokio::select! {
            () = server.shutdown.cancelled() => return,
            () = sleep(WEB_CONFIG_CHECK) => {}
        }
        let reader = Arc::clone(&server);
        let refreshed = tokio::select! {
            // A file system that hangs does not keep the program from ending.
            () = server.shutdown.cancelled() => return,
            refreshed = tokio::task::spawn_blocking(move || reader.app.web.refresh()) => refreshed,
        };
        let Ok(refreshed) = refreshed else { continue };
        let now = server.app.clock.now();
        match refreshed {
            Ok(RefreshResult::Same) => {}
            Ok(RefreshResult::Mended) => {
                fault = None;
                tracing::info!("the web configuration can be used again; it is the one that was in force all the time");
            }
            Ok(RefreshResult::Changed) => {
                fault = None;
                tracing::info!("loaded the changed web configuration");
                for remark in server.app.web.remarks(&addresses, now) {
                    tracing::warn!("{remark}");
                }
                reminder = Reminder(Instant::now());
                server.end_connections();
            }
            Err(error) => {
                let words = chain(&*error);
                if fault.as_ref().is_none_or(|(told, at)| *told != words || at.elapsed() >= FAULT_AGAIN) {
                    tracing::error!(
                        error = words,
                        "the web configuration can't be used: the one before stays in force"
                    );
                    fault = Some((words, Instant::now()));
                }
            }
        }
        if reminder.is_due()
            && let Some(remark) = server.app.web.certificate_remark(now)
        {
            tracing::warn!("{remark}");
        }
    }
}

/// When the log last had the certificate's warning.
struct Reminder(Instant);

impl Reminder {
    /// Whether a day has passed since; then another day begins.
    fn is_due(&mut self) -> bool {
        let is_due = self.0.elapsed() >= CERTIFICATE_AGAIN;
        if is_due {
            self.0 = Instant::now();
        }
        is_due
    }
}

/// An error with its sources.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words = format!("{words}: {error}");
        source = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_certificate_is_logged_once_a_day() {
        let mut reminder = Reminder(Instant::now());
        for (pause, is_due) in [(0, false), (24 * 3600 - 1, false), (1, true), (1, false), (24 * 3600, true)] {
            tokio::time::advance(Duration::from_secs(pause)).await;
            assert_eq!(reminder.is_due(), is_due, "after {pause} s more");
        }
    }
}
