//! No secret, token or signature is logged or shown, whatever goes wrong.

use std::io;
use std::process::Command;
use std::sync::{Arc, Mutex};

use imstats_exporter::simulator::Effect;
use tracing_subscriber::fmt::MakeWriter;

use crate::harness::*;

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What must not be in any text: how secrets travel, and anything that looks like a token.
pub(crate) fn leak(text: &str, secrets: &[String]) -> Option<String> {
    let marks = ["access_token=", "corpsecret=", "usersig=", "Bearer ", "secret_key=", "eJw", "eJy"];
    let secret = secrets.iter().map(String::as_str).chain(marks).find(|secret| text.contains(*secret));
    // Tokens of the simulator are hexadecimal digits, 40 or more; no id is as long.
    let words = text.split(|c: char| !c.is_ascii_hexdigit());
    secret.map(str::to_owned).or_else(|| words.filter(|word| word.len() >= 40).map(str::to_owned).next())
}

#[test]
fn leaks_are_found() {
    assert!(leak("GET /cgi-bin/x?access_token=1", &[]).is_some());
    assert!(leak("it is hunter2", &["hunter2".to_owned()]).is_some());
    assert!(leak(&format!("t-{}", "0a".repeat(20)), &[]).is_some());
    assert_eq!(leak("cli_9f115af860f7901b od-0123456789abcdef0123456789abcdef", &[]), None);
}

/// Runs in a process of its own: what is logged by one test at a time is all that is logged.
#[test]
fn nothing_that_fails_tells_a_secret_to_the_log_the_page_or_the_status() {
    let name = "secrets::everything_that_fails_is_logged_without_secrets";
    let alone = Command::new(std::env::current_exe().unwrap()).args(["--exact", name, "--ignored"]).output().unwrap();
    let told = String::from_utf8_lossy(&alone.stdout);
    assert!(alone.status.success() && told.contains("1 passed"), "{told}");
}

#[tokio::test]
#[ignore = "it takes the log of the whole process; the test above runs it alone"]
async fn everything_that_fails_is_logged_without_secrets() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let mut stage = Stage::with(8, "2026-11-20T10:00:00", |simulator| {
        everything(simulator).replace("    names: true", "    names: true\n    timeout: 20ms")
    })
    .await;
    let mut secrets: Vec<String> = configured_secrets(&stage.simulator).into_values().collect();
    let mut told = String::new();
    stage.wake_slowly().await;
    let elsewhere = vec![("location".to_owned(), "http://127.0.0.1:1/?access_token=x".to_owned())];
    let effects = [
        Effect::Html(502),
        Effect::Reset,
        Effect::Hang,
        Effect::Truncate,
        Effect::TooManyRequests(Some(1)),
        Effect::Raw { status: 302, headers: elsewhere, body: Vec::new() },
        raw("[]"),
        raw("{}"),
        Effect::Refuse(42001),
        Effect::Refuse(40001),
        Effect::Refuse(60020),
        Effect::Refuse(48002),
        Effect::Refuse(99_991_663),
        Effect::Refuse(99_991_672),
        Effect::Refuse(70001),
        Effect::Refuse(70009),
        Effect::Refuse(123_456),
    ];
    for (n, effect) in effects.into_iter().enumerate() {
        stage.clock.advance(std::time::Duration::from_hours(25));
        stage.every("*", effect);
        stage.simulator.revoke_tokens();
        soon(stage.wake_slowly()).await;
        told.push_str(&stage.text());
        let served = Served::start(&stage).await;
        for path in ["/metrics", "/", "/api/v1/status"] {
            told.push_str(&served.get(path).await);
        }
        stage.mend();
        if n % 6 == 5 {
            secrets.extend(CREDENTIALS.map(|credential| stage.simulator.rotate_secret(credential)));
            stage.restart().await;
        }
    }
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for message in ["round with failures", "asked the vendor"] {
        assert!(logged.contains(message), "{message} in a log of {} bytes", logged.len());
    }
    assert!(told.contains("trusted IPs") || logged.contains("trusted IPs"));
    for (what, text) in [("log", &logged), ("page", &told)] {
        assert_eq!(leak(text, &secrets), None, "in the {what}");
        for person in &stage.company().users {
            assert!(what != "log" || !text.contains(&person.name), "the log names {}", person.name);
        }
    }
}
