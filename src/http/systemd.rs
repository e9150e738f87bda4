//! What systemd, or another service manager that speaks its protocol, gives us and wants to hear.
//!
//! Protocol: `sd_notify(3)`, `sd_watchdog_enabled(3)` and `sd_listen_fds(3)`.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The service manager that started the program; without one, telling it something does nothing.
#[derive(Clone, Debug, Default)]
pub struct Supervisor {
    socket: Option<Arc<(UnixDatagram, SocketAddr)>>,
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// The one that the environment names.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var_os(name))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        let for_us = |name| number(name).is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|_| for_us("WATCHDOG_PID")).map(Duration::from_micros);
        let socket = variable("NOTIFY_SOCKET").and_then(|name| {
            let address = match name.as_bytes() {
                #[cfg(target_os = "linux")]
                [b'@', name @ ..] => {
                    use std::os::linux::net::SocketAddrExt;
                    SocketAddr::from_abstract_name(name).ok()?
                }
                _ => SocketAddr::from_pathname(&name).ok()?,
            };
            Some(Arc::new((UnixDatagram::unbound().ok()?, address)))
        });
        Self { socket, watchdog: watchdog.filter(|interval| !interval.is_zero()) }
    }

    /// Says that the program serves, after its start or after a reload, and `status` in words.
    pub fn ready(&self, status: &str) {
        // A line feed would begin another message.
        self.tell(&format!("READY=1\nSTATUS={}", status.replace('\n', " ")));
    }

    /// Says that the program reads its configuration anew; [`Supervisor::ready`] is to follow, whatever comes of it.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        // By it systemd tells the reload that it asked for from an earlier one.
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1_000_000 + now.tv_nsec / 1_000));
    }

    /// Says that the program is about to end.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Tells the watchdog for ever that the program still runs; does nothing where there is none.
    ///
    /// As it runs among all other tasks, it falls silent where these hold up the runtime.
    pub async fn feed_watchdog(self) {
        let Some(interval) = self.watchdog else { return };
        loop {
            self.tell("WATCHDOG=1");
            // The manual recommends half of it.
            tokio::time::sleep(interval / 2).await;
        }
    }

    fn tell(&self, message: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.0.send_to_addr(message.as_bytes(), &socket.1)
        {
            tracing::warn!(%error, "cannot reach the service manager");
        }
    }
}

/// The sockets that systemd opened for the program.
///
/// # Errors
/// What the system says of one that is no TCP socket that listens.
pub(super) fn sockets() -> io::Result<Vec<std::net::TcpListener>> {
    let mut inherited = listenfd::ListenFd::from_env();
    let mut sockets = Vec::with_capacity(inherited.len());
    for n in 0..inherited.len() {
        sockets.extend(inherited.take_tcp_listener(n)?);
    }
    Ok(sockets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supervised(name: &str, more: &[(&str, String)]) -> Supervisor {
        Supervisor::from_variables(|variable| match variable {
            "NOTIFY_SOCKET" => Some(name.into()),
            _ => more.iter().find(|(known, _)| *known == variable).map(|(_, value)| value.into()),
        })
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 512];
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn the_supervisor_hears_each_step() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let supervisor = supervised(path.to_str().unwrap(), &[]);
        supervisor.ready("3 sources\non 2 accounts");
        assert_eq!(heard(&socket), "READY=1\nSTATUS=3 sources on 2 accounts");
        supervisor.reloading();
        let words = heard(&socket);
        let since_boot: u64 = words.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse().unwrap();
        assert!(since_boot > 0);
        supervisor.stopping();
        assert_eq!(heard(&socket), "STOPPING=1");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_abstract_socket_is_reached() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("imstats-test-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        supervised(&format!("@{name}"), &[]).stopping();
        assert_eq!(heard(&socket), "STOPPING=1");
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_fed_twice_as_often_as_it_asks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let ours = std::process::id().to_string();
        let vars = |pid: &str| [("WATCHDOG_USEC", "30000000".to_owned()), ("WATCHDOG_PID", pid.to_owned())];
        let feeding = supervised(path.to_str().unwrap(), &vars(&ours)).feed_watchdog();
        assert!(tokio::time::timeout(Duration::from_secs(44), feeding).await.is_err());
        for _ in 0..3 {
            assert_eq!(heard(&socket), "WATCHDOG=1");
        }
        socket.set_nonblocking(true).unwrap();
        assert!(socket.recv(&mut [0; 16]).is_err());
        supervised(path.to_str().unwrap(), &vars("1")).feed_watchdog().await;
    }

    #[test]
    fn without_a_supervisor_nothing_happens() {
        let none = Supervisor::from_variables(|_| None);
        none.ready("");
        supervised("/nonexistent/notify", &[]).stopping();
    }
}
