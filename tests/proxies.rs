//! Proxies of the configuration and of the environment, and machines without certificate authorities.

use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::exporter::{Exporter, Site, program};
use crate::harness::{filled, soon};

/// Where the platforms answer, for whoever goes through a proxy; there is no such host.
const ELSEWHERE: &str = "http://platform.invalid";

/// A machine without certificate authorities.
const NO_AUTHORITIES: [(&str, &str); 2] =
    [("SSL_CERT_FILE", "/nonexistent/certificates.pem"), ("SSL_CERT_DIR", "/nonexistent/certificates")];

/// A proxy that leads to the simulated platforms, whatever host it is asked for.
struct Proxy {
    port: u16,
    /// How each connection began: the head of its first request, or what SOCKS said.
    seen: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// It speaks HTTP, or SOCKS 5 with user and password.
    async fn start(site: &Site, socks: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let platforms = site.simulator.base_url().trim_start_matches("http://").to_owned();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let noting = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (platforms, noting) = (platforms.clone(), Arc::clone(&noting));
                tokio::spawn(async move {
                    let mut platform = TcpStream::connect(platforms).await.unwrap();
                    if socks {
                        let said = accept_socks(&mut client).await;
                        noting.lock().unwrap().push(said);
                    } else {
                        let mut head = vec![0; 4096];
                        let length = client.read(&mut head).await.unwrap();
                        noting.lock().unwrap().push(String::from_utf8_lossy(&head[..length]).into_owned());
                        platform.write_all(&head[..length]).await.unwrap();
                    }
                    let _ = copy_bidirectional(&mut client, &mut platform).await;
                });
            }
        });
        Self { port, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// The server's side of SOCKS 5 (RFC 1928, RFC 1929); gives user, password and host.
async fn accept_socks(client: &mut TcpStream) -> String {
    let [version, methods] = bytes(client).await;
    assert_eq!(version, 5);
    let mut offered = vec![0; methods.into()];
    client.read_exact(&mut offered).await.unwrap();
    assert!(offered.contains(&2), "user and password are offered");
    client.write_all(&[5, 2]).await.unwrap();
    let [version] = bytes(client).await;
    assert_eq!(version, 1);
    let (user, password) = (text(client).await, text(client).await);
    client.write_all(&[1, 0]).await.unwrap();
    let [_, command, _, kind] = bytes(client).await;
    assert_eq!((command, kind), (1, 3), "a connection to a name, which the proxy looks up");
    let host = text(client).await;
    let [_, _] = bytes(client).await;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
    format!("{user} {password} {host}")
}

async fn bytes<const N: usize>(client: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).await.unwrap();
    bytes
}

/// A text behind its length.
async fn text(client: &mut TcpStream) -> String {
    let [length] = bytes(client).await;
    let mut bytes = vec![0; length.into()];
    client.read_exact(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Writes a configuration of platforms that are elsewhere; `more` are keys of the account.
fn write(site: &Site, base_url: &str, more: &str) {
    let here = site.simulator.base_url();
    let yaml = format!("wecom: [{{$wecom, insecure_http: true, connect_timeout: 5s, {more} contact: {{$fast}}}}]");
    site.write("exporter.yaml", &filled(&yaml, &site.simulator).replace(here.as_str(), base_url));
}

/// Runs the program with that configuration and these variables: the exit code, what it printed and what it logged.
async fn run(site: &Site, arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = program(arguments);
    command.arg("--config.file").arg(site.folder().join("exporter.yaml"));
    if !arguments.contains(&"--storage.path") {
        command.args(["--storage.path", ""]);
    }
    command.envs(variables.iter().copied());
    finish(command).await
}

async fn finish(mut command: Command) -> (Option<i32>, String, String) {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let output = soon(tokio::task::spawn_blocking(|| child.wait_with_output().unwrap())).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_used_and_told_without_its_password() {
    let site = Site::new().await;
    let proxy = Proxy::start(&site, false).await;
    write(&site, ELSEWHERE, "");
    let url = format!("http://us%40er:p%23ss@127.0.0.1:{}", proxy.port);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        let before = proxy.seen().len();
        let (code, printed, log) = run(&site, &["check", "--online"], &[(name, &url)]).await;
        assert_eq!(code, Some(0), "{name}: {printed}{log}");
        let way =
            format!("wecom acme is asked at {ELSEWHERE} through the proxy http://127.0.0.1:{} of {name}", proxy.port);
        assert!(printed.contains(&way), "{printed}");
        assert!(!(printed + &log).contains("p%23ss"));
        let seen = proxy.seen();
        assert!(seen.len() > before);
        // us@er:p#ss
        assert!(
            seen[before].to_lowercase().contains("proxy-authorization: basic dxnazxi6ccnzcw=="),
            "{}",
            seen[before]
        );
    }
}

#[tokio::test]
async fn socks_is_spoken_to_a_proxy_of_the_environment_and_of_the_account() {
    let site = Site::new().await;
    let proxy = Proxy::start(&site, true).await;
    let url = format!("socks5h://me:p%23ss@127.0.0.1:{}", proxy.port);
    write(&site, ELSEWHERE, "");
    let (code, printed, log) = run(&site, &["check", "--online"], &[("ALL_PROXY", &url)]).await;
    assert_eq!(code, Some(0), "{printed}{log}");
    assert!(
        printed.contains(&format!("through the proxy socks5h://127.0.0.1:{} of ALL_PROXY", proxy.port)),
        "{printed}"
    );
    write(&site, ELSEWHERE, &format!("proxy_url: '{url}',"));
    // Its own counts more than the environment's.
    let (code, printed, log) = run(&site, &["check", "--online"], &[("ALL_PROXY", "http://127.0.0.1:1")]).await;
    assert_eq!(code, Some(0), "{printed}{log}");
    assert!(printed.contains("of proxy_url"), "{printed}");
    let seen = proxy.seen();
    assert!(seen.len() >= 2 && seen.iter().all(|said| said == "me p#ss platform.invalid"), "{seen:?}");
}

#[tokio::test]
async fn a_proxy_variable_that_does_not_parse_ends_the_program_before_any_call() {
    let site = Site::new().await;
    // Were the variable left out, the call would come here.
    write(&site, &site.simulator.base_url(), "");
    let texts = [
        "\"http://s3cret:1\"",
        " http://s3cret:1",
        "http://s3cret:1 ",
        "htp://s3cret",
        "http//s3cret",
        "http://[s3cret",
        "http://u:s3#cret@h",
        "socks4://s3cret",
    ];
    for text in texts {
        let (code, printed, log) = run(&site, &["check", "--online"], &[("HTTPS_PROXY", text)]).await;
        assert_eq!(code, Some(1), "{text}: {printed}{log}");
        assert!(log.contains("HTTPS_PROXY of the environment: "), "{text}: {log}");
        assert!(!(printed + &log).contains("cret"), "{text}: {log}");
        assert!(!text.contains('#') || log.contains("%23"), "{text}: {log}");
    }
    let store = site.store();
    let store = ["--storage.path", store.to_str().unwrap()];
    let days = ["--from", "2026-11-01", "--to", "2026-11-02"];
    let commands = [
        [&["serve", "--web.listen-address", "127.0.0.1:0"], &store[..]].concat(),
        vec!["once"],
        [&["backfill"], &days[..], &store[..]].concat(),
    ];
    for command in commands {
        let (code, _, log) = run(&site, &command, &[("no_proxy", "'a'")]).await;
        assert_eq!(code, Some(1), "{command:?}: {log}");
        assert!(log.contains("no_proxy of the environment: there are quotes"), "{command:?}: {log}");
    }
    assert!(site.simulator.calls().is_empty(), "{:?}", site.simulator.calls());
}

#[tokio::test]
async fn a_fault_on_the_way_names_the_proxy() {
    let cases = [
        ("http://platform.invalid", [("HTTP_PROXY", "http://u:s3cret@127.0.0.1:1")], "", "HTTP_PROXY"),
        ("https://platform.invalid", [("https_proxy", "http://u:s3cret@127.0.0.1:1")], "", "https_proxy"),
        ("https://platform.invalid", [("ALL_PROXY", "socks5h://u:s3cret@127.0.0.1:1")], "", "ALL_PROXY"),
        ("https://platform.invalid", [("ALL_PROXY", "")], "proxy_url: 'http://u:s3cret@127.0.0.1:1',", "proxy_url"),
    ];
    // All at once, as each waits some seconds between its attempts.
    let mut running = JoinSet::new();
    for (base_url, variables, more, name) in cases {
        running.spawn(async move {
            let site = Site::new().await;
            write(&site, base_url, more);
            let (code, printed, log) = run(&site, &["check", "--online"], &variables).await;
            assert_eq!(code, Some(1), "{base_url} {name}: {printed}{log}");
            let words = format!(", through the proxy of {name}; check base_url, {name} and ca_file");
            assert!(printed.contains("cannot connect: "), "{base_url} {name}: {printed}{log}");
            assert!(printed.contains(&words), "{base_url} {name}: {printed}{log}");
            assert!(!(printed + &log).contains("s3cret"), "{base_url} {name}");
        });
    }
    running.join_all().await;
}

#[tokio::test]
async fn without_certificate_authorities_http_works_and_https_says_what_to_install() {
    let site = Site::new().await;
    let none = NO_AUTHORITIES;
    write(&site, &site.simulator.base_url(), "");
    let (code, printed, log) = run(&site, &["once"], &none).await;
    assert_eq!(code, Some(0), "{log}");
    assert!(printed.contains("wecom_contact_user_"), "{log}");
    write(&site, "https://127.0.0.1:1", "");
    let (code, printed, log) = run(&site, &["check", "--online"], &none).await;
    assert_eq!(code, Some(1), "{printed}{log}");
    let words = "there are no certificate authorities, which https needs";
    assert!(printed.matches(words).count() >= 2, "where the way is told, and why the call failed: {printed}");
    assert!(printed.contains("install the package ca-certificates, or set SSL_CERT_FILE or ca_file"), "{printed}");
    assert!(!printed.contains("unexpected error"), "{printed}");
}

#[tokio::test]
async fn remote_write_goes_the_same_ways() {
    let site = Site::new().await;
    write(&site, &site.simulator.base_url(), "");
    let exporter = Exporter::start(site.command()).await;
    exporter.until_settled().await;
    exporter.signal("TERM");
    assert_eq!(exporter.end().await, Some(0));
    let proxy = Proxy::start(&site, false).await;
    let store = site.store();
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
    let arguments = ["export", "--from", "2026-01-01", "--to", &today, "--storage.path", store.to_str().unwrap()];
    let export = async |url: &str, variables: &[(&str, &str)]| {
        let (code, _, log) = run(&site, &arguments, &[&[("IMSTATS_REMOTE_WRITE_URL", url)], variables].concat()).await;
        assert_eq!(code, Some(1), "{log}");
        log
    };
    let log = export("https://receiver.invalid/", &[("HTTPS_PROXY", "'http://s3cret:1'")]).await;
    assert!(log.contains("HTTPS_PROXY of the environment: there are quotes") && !log.contains("s3cret"), "{log}");
    let log = export("https://receiver.invalid/", &NO_AUTHORITIES).await;
    assert!(log.contains("there are no certificate authorities, which https needs"), "{log}");
    assert!(log.contains("IMSTATS_REMOTE_WRITE_URL: cannot set up the connection"), "{log}");
    // Plain http needs none; the platforms behind this proxy know no such path.
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let variables = [&NO_AUTHORITIES[..], &[("HTTP_PROXY", &*url)]].concat();
    let log = export("http://receiver.invalid/api/v1/write", &variables).await;
    assert!(log.contains("refuses the samples with HTTP 404"), "{log}");
    assert!(proxy.seen()[0].starts_with("POST http://receiver.invalid/api/v1/write "), "{:?}", proxy.seen());
}
