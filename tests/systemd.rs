//! The program under a service manager, which the test plays.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::exporter::{Exporter, Site, program, read, untold};

#[tokio::test]
async fn sockets_of_systemd_are_served_instead_of_the_flags() {
    let site = Site::new().await;
    let config = site.write("exporter.yaml", "wecom: [{$wecom, contact: {$fast}}]");
    let sockets = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses: Vec<SocketAddr> = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
    let [one, other] = sockets.map(|socket| Stdio::from(OwnedFd::from(socket)));
    // systemd hands them over from descriptor 3 on, to the process of that number only.
    let shell = "exec 3<&0 4<&1 </dev/null >/dev/null; LISTEN_FDS=2 LISTEN_PID=$$ exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", shell, env!("CARGO_BIN_EXE_imstats_exporter"), "--storage.path", "", "--config.file"]);
    command.arg(config).stdin(one).stdout(other);
    untold(&mut command);
    let exporter = Exporter::start(command).await;
    exporter.until("it tells both", async || exporter.addresses().len() == 2).await;
    assert_eq!(exporter.addresses(), addresses);
    for address in addresses {
        use tokio::io::AsyncWriteExt;
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
        assert_eq!(read(stream).await.status, 200);
    }
}

#[tokio::test]
async fn the_manager_hears_of_the_start_of_reloads_and_of_the_end() {
    let site = Site::new().await;
    let path = site.folder().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let heard = || {
        let mut bytes = [0; 512];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    // What is next, but for the watchdog.
    let next = || std::iter::repeat_with(heard).find(|message| message != "WATCHDOG=1").unwrap();
    let config = site.write("exporter.yaml", "wecom: [{$wecom, contact: {$fast}}]");
    let mut command = program(&["--config.file", config.to_str().unwrap(), "--storage.path", ""]);
    command.args(["--web.listen-address", "127.0.0.1:0"]).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let exporter = Exporter::start(command).await;
    assert_eq!(next(), "READY=1\nSTATUS=polling and serving");
    assert_eq!(exporter.get("/-/ready").await.status, 200);
    assert_eq!(heard(), "WATCHDOG=1");
    exporter.signal("HUP");
    assert!(next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(next(), "READY=1\nSTATUS=polling and serving");
    site.write("exporter.yaml", "wecom: []");
    exporter.signal("HUP");
    assert!(next().starts_with("RELOADING=1\n"));
    assert_eq!(next(), "READY=1\nSTATUS=the new configuration has errors; the old one is in use");
    exporter.signal("TERM");
    assert_eq!(next(), "STOPPING=1");
    assert_eq!(exporter.end().await, Some(0));
}
