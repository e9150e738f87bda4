//! What signals do: end the program, reload its configuration, or nothing.

use std::io;
use std::process::exit;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Log;
use crate::http::Reload;

/// The signal of a write beyond the limit on the size of files.
const SIGXFSZ: i32 = 25;

/// Signals that mean nothing here and would end the program, by their numbers on Linux: rotating logs sends SIGUSR1.
const MEANINGLESS: [(&str, i32); 8] = [
    ("SIGUSR1", 10),
    ("SIGUSR2", 12),
    ("SIGALRM", 14),
    ("SIGSTKFLT", 16),
    ("SIGVTALRM", 26),
    ("SIGPROF", 27),
    ("SIGIO", 29),
    ("SIGPWR", 30),
];

/// Keeps signals from ending the program that are not meant to.
pub(super) fn ignore_others() {
    // A limit on the size of files (`ulimit -f`) is then an error of writing.
    let _ = signal(SignalKind::from_raw(SIGXFSZ));
    for (name, number) in MEANINGLESS {
        if let Ok(mut signal) = signal(SignalKind::from_raw(number)) {
            tokio::spawn(async move {
                while signal.recv().await.is_some() {
                    tracing::info!("{name} means nothing here, and is ignored: SIGHUP reloads, SIGTERM ends");
                }
            });
        }
    }
}

/// The signals that the program obeys.
pub(super) struct Signals {
    hangup: Signal,
    ending: EndSignals,
}

impl Signals {
    /// From now on none of them ends the program by itself.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { hangup: signal(SignalKind::hangup())?, ending: EndSignals::listen()? })
    }

    /// Reloads at each SIGHUP, until a signal to end comes.
    pub(super) async fn reload_until_the_end(&mut self, reload: &Reload) {
        loop {
            tokio::select! {
                Some(()) = self.hangup.recv() => tokio::select! {
                    _ = reload() => {}
                    _ = self.ending.wait() => return,
                },
                _ = self.ending.wait() => return,
            }
        }
    }

    /// Waits for SIGTERM or SIGINT.
    pub(super) async fn end(&mut self) {
        self.ending.wait().await;
    }
}

/// SIGTERM and SIGINT.
pub(super) struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    /// From now on neither ends the program by itself.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one of them; gives the exit code that shells give a program that it ended.
    pub(super) async fn wait(&mut self) -> u8 {
        tokio::select! {
            _ = self.terminate.recv() => 143,
            _ = self.interrupt.recv() => 130,
        }
    }
}

/// Lets SIGTERM and SIGINT end the program at once.
///
/// By itself the system does so too, but not to the first process of a container.
pub(super) fn end_at_signals(log: &Log) -> io::Result<()> {
    let mut ending = EndSignals::listen()?;
    let log = log.clone();
    // Whatever else it does may block its thread.
    tokio::spawn(async move {
        let code = ending.wait().await;
        log.finish();
        exit(code.into())
    });
    Ok(())
}
