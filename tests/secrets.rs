//! No secret, token or signature is logged or shown, whatever goes wrong.

use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use imstats_exporter::day::{Day, Zone};
use imstats_exporter::simulator::{Effect, Fault};
use tracing_subscriber::fmt::MakeWriter;

use crate::exporter::{Exporter, Site, program};
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

#[test]
fn nothing_that_fails_tells_a_secret_to_the_log_the_page_or_the_status() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let dispatch = tracing::Dispatch::new(subscriber);
    // While there is but one, tracing asks the thread that comes first whether a message is of interest at all, and that may
    // be another test's: then this test would never see that message.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let of_this_test = tracing::dispatcher::set_default(&dispatch);
    // All runs on this thread, but for what blocks; there the guard lasts as long as the thread.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_start(move || std::mem::forget(tracing::dispatcher::set_default(&dispatch)))
        .build()
        .unwrap();
    runtime.block_on(everything_that_fails(&log));
    drop(of_this_test);
}

async fn everything_that_fails(log: &Log) {
    let mut stage = Stage::with(8, "2026-11-20T10:00:00", |simulator| {
        everything(simulator).replace("    names: true", "    names: true\n    timeout: 20ms")
    })
    .await;
    let mut secrets: Vec<String> = configured_secrets(&stage.simulator).into_values().collect();
    let mut told = String::new();
    stage.wake_slowly().await;
    let elsewhere = vec![("location".to_owned(), "http://127.0.0.1:1/?access_token=x".to_owned())];
    let effects = [
        Effect::Hang,
        Effect::Html(502),
        Effect::Reset,
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
        if n == 0 {
            // A busy machine may need longer than this for any answer.
            stage.replace_in_configuration("timeout: 20ms", "timeout: 30s");
            stage.restart().await;
        } else if n % 6 == 5 {
            secrets.extend(CREDENTIALS.map(|credential| stage.simulator.rotate_secret(credential)));
            stage.restart().await;
        }
    }
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for message in ["round with failures", "asked the platform"] {
        assert!(logged.contains(message), "{message} in a log of {} bytes", logged.len());
    }
    assert!(told.contains("trusted IPs") || logged.contains("trusted IPs"), "a refusal is told in words");
    for (what, text) in [("log", &logged), ("page", &told)] {
        assert_eq!(leak(text, &secrets), None, "in the {what}");
        for person in &stage.company().users {
            assert!(what != "log" || !text.contains(&person.name), "the log names {}", person.name);
        }
    }
}

/// Every kind of secret that the program is given, as files: of platforms, of a proxy, of pseudonyms and of the page.
struct Canaries(Vec<String>);

impl Canaries {
    /// Writes them, and a configuration with everything that a simulator has.
    fn write(site: &Site) -> Self {
        let mut yaml = site.simulator.configuration().replace("names: true", "pseudonymize: {key: {file: key}}");
        let mut all = vec!["canary-key-of-pseudonyms".to_owned(), "canary-of-the-proxy".to_owned()];
        site.write("key", &all[0]);
        site.write("proxy", &format!("http://me:{}@127.0.0.1:1", all[1]));
        for (name, secret) in configured_secrets(&site.simulator) {
            site.write(name, &secret);
            yaml = yaml.replace(&format!("\"{secret}\""), &format!("{{file: {name}}}"));
            all.push(secret);
        }
        // A company behind a proxy that is not there.
        let (desk, rest) = yaml.split_once("tencent_desk:\n").unwrap();
        let behind = rest.replace("account: acme", "account: behind\n    proxy_url: {file: proxy}");
        site.write("exporter.yaml", &format!("{desk}tencent_desk:\n{rest}{behind}"));
        let hash = bcrypt::hash("canary-password", 4).unwrap();
        site.write("web.yml", &format!("basic_auth_users: {{ann: \"{hash}\"}}"));
        // As the browser sends it, too.
        all.extend(["canary-password".to_owned(), AUTHORIZATION.to_owned(), hash]);
        Self(all)
    }

    fn assert_none(&self, place: &str, text: &str) {
        assert_eq!(leak(text, &self.0), None, "in {place}");
    }
}

/// `ann:canary-password`
const AUTHORIZATION: &str = "YW5uOmNhbmFyeS1wYXNzd29yZA==";

#[tokio::test]
async fn no_secret_of_any_kind_is_in_log_page_error_store_arguments_or_what_commands_print() {
    let site = Site::new().await;
    let canaries = Canaries::write(&site);
    let at = |name: &str| site.folder().join(name).to_str().unwrap().to_owned();
    let (config, web, store) = (at("exporter.yaml"), at("web.yml"), at("data"));
    let common = ["--config.file", &config, "--storage.path", &store, "--log.level", "trace"];
    let mut command = program(&["--web.listen-address", "127.0.0.1:0", "--web.enable-lifecycle"]);
    command.args(common).args(["--web.config.file", &web]);
    let exporter = Exporter::start(command).await;
    let ask = async |line: &str, authorization: &str| {
        exporter.send(&format!("{line} HTTP/1.1\r\nAuthorization: Basic {authorization}")).await
    };
    exporter
        .until("rounds are over", async || {
            let page = ask("GET /metrics", AUTHORIZATION).await.body;
            Page::read(&page).all("imstats_source_last_round_timestamp_seconds").len() == 7
        })
        .await;
    for n in 0..3 {
        let paths = ["/metrics", "/", "/api/v1/status", "/-/ready", "/nothing", "/metrics?collect[]=nothing"];
        for path in paths {
            for authorization in [AUTHORIZATION, "Y2FuYXJ5LXBhc3N3b3JkOng=", "canary-password"] {
                let answer = ask(&format!("GET {path}"), authorization).await;
                canaries.assert_none(path, &format!("{}{}", answer.head, answer.body));
            }
        }
        // Refused secrets, refused tokens, and a file that can't be used.
        match n {
            0 => drop(CREDENTIALS.map(|credential| site.simulator.rotate_secret(credential))),
            1 => site.simulator.revoke_tokens(),
            _ => drop(site.write("exporter.yaml", "wecom: [{secret: {canary-password}}, canary-key-of-pseudonyms]")),
        }
        let answer = ask("POST /-/reload", AUTHORIZATION).await;
        assert_eq!(answer.status, if n < 2 { 200 } else { 400 }, "{}", answer.body);
        canaries.assert_none("the answer to a reload", &answer.body);
    }
    let process = std::path::PathBuf::from(format!("/proc/{}", exporter.id()));
    let arguments = std::fs::read(process.join("cmdline")).unwrap();
    assert!(!arguments.is_empty());
    canaries.assert_none("its arguments", &String::from_utf8_lossy(&arguments));
    let environment = std::fs::read(process.join("environ")).unwrap();
    canaries.assert_none("its environment", &String::from_utf8_lossy(&environment));
    exporter.signal("TERM");
    let log = exporter.log();
    assert!(log.contains("asked the platform") && log.contains("round with failures"), "the log is a whole one");
    canaries.assert_none("the log", &log);
    assert_eq!(exporter.end().await, Some(0));

    let canaries = Canaries::write(&site);
    let day = Day::containing(jiff::Timestamp::now(), &Zone::china()).plus(-4).to_string();
    let days = ["--from", &day, "--to", &day];
    // All at once, as they wait between attempts.
    let running = [("check", &["--online"][..]), ("backfill", &days), ("export", &days)].map(|(name, more)| {
        let mut command = program(&[name]);
        command.args(more).args(common);
        (name, tokio::task::spawn_blocking(move || command.stdout(Stdio::piped()).output().unwrap()))
    });
    for (name, output) in running {
        let output = output.await.unwrap();
        let told = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        assert!(told.len() > 50, "{name}: {told}");
        canaries.assert_none(name, &told);
    }
    for entry in std::fs::read_dir(&store).unwrap() {
        let path = entry.unwrap().path();
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        let found = canaries.0.iter().find(|secret| text.contains(secret.as_str()));
        assert_eq!(found, None, "in {}", path.display());
        let token = text.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| word.starts_with("eJw"));
        assert_eq!(token, None, "in {}", path.display());
    }
}

#[tokio::test]
async fn a_platform_that_echoes_a_secret_does_not_bring_it_out() {
    let mut stage = Stage::with(8, "2026-11-20T10:00:00", everything).await;
    let secrets = configured_secrets(&stage.simulator);
    for (api, secret, code) in [(GETTOKEN, &secrets["wecom"], "errcode"), (TENANT_TOKEN, &secrets["feishu"], "code")] {
        let words = format!(r#"{{"{code}": 77777, "errmsg": "sent {secret}", "msg": "sent {secret}"}}"#);
        stage.every(api, raw(words));
    }
    stage.wake().await;
    for source in ["wecom_contact", "feishu_message_push"] {
        let error = stage.error(source);
        assert!(error.contains("77777") && !error.contains("sent"), "{error}");
        assert!(secrets.values().all(|secret| !error.contains(secret.as_str())), "{error}");
    }
}

/// With a code that we don't know the log repeats the platform's words at debug level.
#[tokio::test]
async fn the_words_of_a_platform_are_logged_without_the_secrets_in_them() {
    let site = Site::new().await;
    let secrets = configured_secrets(&site.simulator);
    let company = site.simulator.company();
    let token = "canary.token+of/an-account";
    site.write("token", token);
    let (wecom, feishu) = (company.corp_id.clone(), company.app_id.clone());
    let desk = format!("sdk_app_id: {}, identifier: {}", company.sdk_app_id, company.identifier);
    let outside = "account: acme, $base, timeout: 5s";
    for (api, secret, yaml) in [
        (GETTOKEN, secrets["wecom"].as_str(), "wecom: [{$wecom, contact: {users: [WangWu]}}]".to_owned()),
        (TENANT_TOKEN, &secrets["feishu"], "feishu: [{$feishu, message_push: {}}]".to_owned()),
        (
            CONTACT,
            token,
            format!(
                "wecom: [{{{outside}, corp_id: {wecom}, access_token: {{file: token}}, contact: {{users: [WangWu]}}}}]"
            ),
        ),
        (
            PUSH,
            token,
            format!("feishu: [{{{outside}, app_id: {feishu}, access_token: {{file: token}}, message_push: {{}}}}]"),
        ),
        (
            DESK,
            token,
            format!(
                "tencent_desk: [{{{outside}, {desk}, user_sig: {{file: token}}, agent_statistics: {{agents: [a]}}}}]"
            ),
        ),
    ] {
        let words = format!("sent {secret}.");
        let body = serde_json::json!({
            "errcode": 77777, "errmsg": words, "code": 77777, "msg": words,
            "ActionStatus": "FAIL", "ErrorCode": 77777, "ErrorInfo": words,
        });
        site.simulator.faults().add(Fault::on(api, raw(body.to_string())));
        let config = site.write("exporter.yaml", &yaml).to_str().unwrap().to_owned();
        let mut command = program(&["once", "--storage.path", "", "--log.level", "debug", "--config.file", &config]);
        let output =
            tokio::task::spawn_blocking(move || command.stdout(Stdio::piped()).output().unwrap()).await.unwrap();
        let told = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        assert!(told.contains("the platform says: sent ***."), "{api}: {told}");
        assert_eq!(leak(&told, &[secret.to_owned()]), None, "{api}: {told}");
    }
}

/// Other users of the machine can read the arguments of a process.
#[tokio::test]
async fn a_password_in_the_url_of_remote_write_is_warned_of() {
    let site = Site::new().await;
    site.write("exporter.yaml", "wecom: [{$wecom, contact: {$fast}}]");
    let exporter = Exporter::start(site.command()).await;
    exporter.until_settled().await;
    exporter.signal("TERM");
    assert_eq!(exporter.end().await, Some(0));
    let url = "http://ann:canary-password@203.0.113.1:9090/api/v1/write";
    for (by_argument, warned) in [(true, true), (false, false)] {
        let mut command = site.command();
        command.args(["export", "--from", "2020-01-01", "--to", "2020-01-01"]).stdout(Stdio::piped());
        if by_argument {
            command.args(["--remote-write", url]);
        } else {
            command.env("IMSTATS_REMOTE_WRITE_URL", url);
        }
        let output = command.stderr(Stdio::piped()).output().unwrap();
        let told = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        assert_eq!(told.contains("others on this machine can read command lines"), warned, "{told}");
        assert!(told.contains("others on the network can read the credentials and people's figures"), "{told}");
        assert!(!told.contains("canary-password"), "{told}");
    }
}

#[tokio::test]
async fn a_platform_that_echoes_a_secret_as_a_key_twice_does_not_bring_it_out() {
    let mut stage = Stage::with(8, "2026-11-20T10:00:00", everything).await;
    let secrets = configured_secrets(&stage.simulator);
    for (api, secret) in [(GETTOKEN, &secrets["wecom"]), (TENANT_TOKEN, &secrets["feishu"])] {
        stage.every(api, raw(format!(r#"{{"errcode": 0, "code": 0, "{secret}": 1, "{secret}": 2}}"#)));
    }
    stage.wake().await;
    for source in ["wecom_contact", "feishu_message_push"] {
        let error = stage.error(source);
        assert!(error.contains("***"), "{source}: {error}");
        assert!(secrets.values().all(|secret| !error.contains(secret.as_str())), "{source}: {error}");
    }
}

#[tokio::test]
async fn ids_that_are_what_a_request_names_too_stay_as_they_are() {
    // Tencent's `identifier` may be an agent as well.
    let mut stage = Stage::new("2026-11-20T10:00:00", "tencent_desk: [{$desk, agent_statistics: {$fast}}]").await;
    let identifier = stage.company().identifier.clone();
    assert!(identifier.len() >= 8, "{identifier}");
    let rows = serde_json::json!([{"AgentId": identifier, "TotalSessionCnt": 5}]);
    stage.every(
        DESK,
        raw(serde_json::json!({"ActionStatus": "OK", "ErrorCode": 0, "TotalCount": 1, "Data": rows}).to_string()),
    );
    stage.wake().await;
    assert_eq!(stage.series(&format!("tencent_desk_agent_sessions{{agent=\"{identifier}\"}}")), Some(5.0));
}
