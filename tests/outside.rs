//! Tokens from outside: from a file, a command or a token server, with no login made.

use std::sync::{Arc, Mutex};

use imstats_exporter::platform::{Credential, Login, Platform, Proof, Secret, TencentDesk};
use imstats_exporter::simulator::{Effect, Simulator};
use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::exporter::{Site, program};
use crate::harness::*;

const MORNING: &str = "2026-11-20T10:00:00";

/// A token server of the company's.
struct TokenServer {
    port: u16,
    /// The status and body of its answers.
    answer: Arc<Mutex<(u16, String)>>,
    /// What it was asked, whole.
    asked: Arc<Mutex<Vec<String>>>,
}

impl TokenServer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, answer: Arc::default(), asked: Arc::default() };
        let (answer, asked) = (Arc::clone(&server.answer), Arc::clone(&server.asked));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap();
                asked.lock().unwrap().push(String::from_utf8_lossy(&request[..length]).into_owned());
                let (status, body) = answer.lock().unwrap().clone();
                let head =
                    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                stream.write_all((head + &body).as_bytes()).await.unwrap();
            }
        });
        server
    }

    fn give(&self, token: &str, expires: i64) {
        let body = format!(r#"{{"data": {{"access_token": "{token}", "expires_in": {expires}}}}}"#);
        *self.answer.lock().unwrap() = (200, body);
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// What an account of the configuration says of it.
    fn key(&self) -> String {
        format!(
            "access_token: {{url: \"http://127.0.0.1:{}/wecom?key=query-s3cret\", header: {{X-Key: header-s3cret}}, \
             token_at: /data/access_token, expires_at: /data/expires_in}}",
            self.port
        )
    }
}

/// A WeCom account without its secret, and with `more`.
fn wecom(simulator: &Simulator, more: &str) -> String {
    filled(&format!("wecom: [{{account: acme, $base, corp_id: {}, {more}}}]", simulator.company().corp_id), simulator)
}

/// A token of the app with this secret, as another program of the company's gets it.
async fn login(simulator: &Simulator, secret: &str) -> String {
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    let query = format!("corpid={}&corpsecret={secret}", simulator.company().corp_id);
    let request = format!("GET /cgi-bin/gettoken?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    simulator.reset_calls();
    let (_, rest) = answer.split_once("\"access_token\":").unwrap();
    rest.split('"').nth(1).unwrap().to_owned()
}

/// A stage that asks about two members with tokens of `server`, which has none yet.
async fn with_server(server: &TokenServer) -> Stage {
    let key = server.key();
    let yaml = |simulator: &Simulator| wecom(simulator, &format!("{key}, contact: {{users: [Zhang.San, WangWu]}}"));
    Stage::with(40, MORNING, yaml).await
}

async fn fresh_token(stage: &Stage) -> String {
    stage.simulator.revoke_tokens();
    login(&stage.simulator, &stage.company().secret.clone()).await
}

#[tokio::test]
async fn a_token_server_takes_the_place_of_the_login() {
    let server = TokenServer::start().await;
    let mut stage = with_server(&server).await;
    server.give(&fresh_token(&stage).await, 7200);
    stage.wake().await;
    assert_eq!((stage.targets("wecom_contact"), stage.up("wecom_contact")), ([2, 0, 0, 0, 0], true));
    assert_eq!((stage.calls(GETTOKEN), server.asked()), (0, 1));
    let asked = server.asked.lock().unwrap()[0].to_lowercase();
    assert!(asked.starts_with("get /wecom?key=query-s3cret http/1.1") && asked.contains("x-key: header-s3cret"));
    let ends = stage.series("imstats_source_token_expiry_timestamp_seconds").unwrap();
    assert!((ends - at("2026-11-20T12:00:00").as_second() as f64).abs() < 1.0, "{ends}");
    stage.wake_at("2026-11-20T11:30:00").await;
    assert_eq!(server.asked(), 1);
    // Its life ends: it is asked for before the platform refuses it.
    stage.set("2026-11-20T17:30:00");
    server.give(&login(&stage.simulator, &stage.company().secret.clone()).await, 7200);
    stage.wake().await;
    assert_eq!((server.asked(), stage.calls(GETTOKEN)), (2, 0));
    assert_eq!(stage.outcomes(CONTACT, "token"), 0.0);
    assert!(stage.up("wecom_contact"));
}

#[tokio::test]
async fn a_rotated_token_is_fetched_once_and_the_call_repeated() {
    let server = TokenServer::start().await;
    let mut stage = with_server(&server).await;
    server.give(&fresh_token(&stage).await, 7200);
    stage.wake().await;
    server.give(&fresh_token(&stage).await, 7200);
    stage.wake_at("2026-11-20T11:10:00").await;
    assert_eq!((stage.targets("wecom_contact"), stage.error("wecom_contact")), ([2, 0, 0, 0, 0], String::new()));
    assert_eq!((server.asked(), stage.calls(GETTOKEN)), (2, 0));
}

#[tokio::test]
async fn a_token_that_stays_refused_backs_the_account_off() {
    let server = TokenServer::start().await;
    let mut stage = with_server(&server).await;
    let token = fresh_token(&stage).await;
    server.give(&token, 7200);
    stage.simulator.revoke_tokens();
    stage.wake().await;
    let told = stage.error("wecom_contact");
    let place = format!("the token server http://127.0.0.1:{}/wecom, which still gives the same one", server.port);
    assert!(told.contains(&place) && !told.contains("s3cret") && !told.contains(&token), "{told}");
    let asked = (stage.calls(CONTACT), server.asked());
    assert!(asked.0 <= 2 && asked.1 <= 4, "{asked:?}");
    stage.wake_at("2026-11-20T10:09:00").await;
    assert_eq!((stage.calls(CONTACT), server.asked()), asked, "for ten minutes nothing is asked");
    server.give(&fresh_token(&stage).await, 7200);
    stage.wake_at("2026-11-20T10:11:00").await;
    assert_eq!(stage.targets("wecom_contact"), [2, 0, 0, 0, 0]);
    assert_eq!(stage.calls(GETTOKEN), 0);
}

#[tokio::test]
async fn a_token_server_that_fails_is_told_without_its_query_and_not_asked_for_each_call() {
    let server = TokenServer::start().await;
    let mut stage = with_server(&server).await;
    let place = format!("no token from the token server http://127.0.0.1:{}/wecom: ", server.port);
    for (minute, answer, why) in [
        (0, (500, "s3cret".to_owned()), "it answers with HTTP 500"),
        (10, (302, "s3cret".to_owned()), "it answers with HTTP 302"),
        (20, (200, "s3cret".to_owned()), "its answer is not JSON"),
        (30, (200, "{\"data\": {}}".to_owned()), "its answer has no text at token_at (/data/access_token)"),
        (40, (200, "x".repeat(70_000)), "its answer is larger than 64 KiB"),
        (50, (403, "s3cret".to_owned()), "it refuses us (HTTP 403): check header"),
    ] {
        *server.answer.lock().unwrap() = answer;
        let before = server.asked();
        stage.wake_at(&format!("2026-11-20T10:{minute:02}:00")).await;
        let told = stage.error("wecom_contact");
        assert!(told.contains(&place) && told.contains(why) && !told.contains("s3cret"), "{told}");
        assert_eq!(server.asked(), before + 1, "{why}");
        assert!(!stage.up("wecom_contact"));
    }
    assert_eq!((stage.calls(CONTACT), stage.calls(GETTOKEN)), (0, 0));
}

#[tokio::test]
async fn a_file_is_read_again_when_it_changes_and_may_come_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let key = format!("access_token: {{file: \"{}\"}}, contact: {{users: [WangWu]}}", path.display());
    let mut stage = Stage::with(40, MORNING, |simulator| wecom(simulator, &key)).await;
    stage.wake().await;
    let told = stage.error("wecom_contact");
    assert!(told.contains("no token from the file ") && told.contains("No such file"), "{told}");
    std::fs::write(&path, fresh_token(&stage).await + "\n").unwrap();
    stage.wake_at("2026-11-20T10:01:00").await;
    assert_eq!(stage.targets("wecom_contact"), [1, 0, 0, 0, 0], "it is tried as soon as it is there");
    // Another program gets another token, and writes it down.
    std::fs::write(&path, fresh_token(&stage).await).unwrap();
    stage.wake_at("2026-11-20T11:10:00").await;
    assert_eq!((stage.outcomes(CONTACT, "token"), stage.calls(GETTOKEN)), (0.0, 0), "nothing was refused");
    // It forgets to write it down.
    stage.simulator.revoke_tokens();
    stage.wake_at("2026-11-20T17:10:00").await;
    assert_eq!(stage.outcomes(CONTACT, "token"), 1.0, "the same one is not sent twice");
    assert!(stage.error("wecom_contact").contains("which still gives the same one"));
    std::fs::write(&path, fresh_token(&stage).await).unwrap();
    stage.wake_at("2026-11-20T17:11:00").await;
    assert_eq!(stage.error("wecom_contact"), "", "a new one is tried at once");
}

#[tokio::test]
async fn a_command_gives_a_token_and_one_that_fails_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (token, runs) = (folder.path().join("token"), folder.path().join("runs"));
    let script = format!("echo run >> {}; echo s3cret >&2; exec cat {}", runs.display(), token.display());
    let key = format!("access_token: {{command: [sh, -c, \"{script}\"]}}, contact: {{users: [Zhang.San, WangWu]}}");
    let mut stage = Stage::with(40, MORNING, |simulator| wecom(simulator, &key)).await;
    stage.wake().await;
    let told = stage.error("wecom_contact");
    assert!(told.contains("no token from the command sh: it ended with exit status: 1; run it by hand"), "{told}");
    assert!(!told.contains("s3cret") && !told.contains("cat "), "{told}");
    let count = || std::fs::read_to_string(&runs).unwrap().lines().count();
    assert_eq!(count(), 1, "it is not run for each call");
    std::fs::write(&token, fresh_token(&stage).await + "\n").unwrap();
    stage.wake_at("2026-11-20T10:10:00").await;
    assert_eq!((stage.targets("wecom_contact"), count()), ([2, 0, 0, 0, 0], 2));
    std::fs::write(&token, fresh_token(&stage).await).unwrap();
    stage.wake_at("2026-11-20T11:20:00").await;
    assert_eq!(
        (stage.error("wecom_contact"), count()),
        (String::new(), 3),
        "it is run again when its token is refused"
    );
    assert_eq!(stage.calls(GETTOKEN), 0);
}

#[tokio::test]
async fn a_block_may_have_a_token_of_its_own_and_signatures_come_from_outside_too() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (kf, sig) = (at("kf"), at("sig"));
    let yaml = |simulator: &Simulator| {
        let company = simulator.company();
        let desk = format!(
            "account: acme, $base, sdk_app_id: {}, identifier: {}, user_sig: {{file: \"{}\"}}, agent_statistics: {{$fast}}",
            company.sdk_app_id,
            company.identifier,
            sig.display()
        );
        let block = format!("kf: {{access_token: {{file: \"{}\"}}, $fast}}", kf.display());
        filled(
            &format!("wecom: [{{$wecom, contact: {{users: [WangWu]}}, {block}}}]\ntencent_desk: [{{{desk}}}]"),
            simulator,
        )
    };
    let mut stage = Stage::with(40, MORNING, yaml).await;
    let company = stage.company();
    let secret = Secret::Inline(company.secret_key.clone().into());
    let credential = Credential {
        platform: &TencentDesk,
        id: company.sdk_app_id.to_string(),
        caller: Some(company.identifier.clone()),
        proof: Proof::Secret(secret.clone()),
    };
    let sign = |now: Timestamp| match TencentDesk.admission(&credential, &secret.read().unwrap(), now) {
        Login::Signed(token) => secrecy::ExposeSecret::expose_secret(&token.value).to_owned(),
        Login::Ask { .. } => panic!("it is signed"),
    };
    std::fs::write(&sig, sign(stage.clock.now())).unwrap();
    std::fs::write(&kf, login(&stage.simulator, &stage.company().kf_secret.clone()).await).unwrap();
    stage.wake().await;
    for source in ["wecom_contact", "wecom_kf", "tencent_desk_agent"] {
        assert!(stage.up(source), "{source}: {}", stage.error(source));
    }
    assert_eq!(stage.calls(GETTOKEN), 1, "the other block logs in");
    // A wrong signature is refused like a wrong key, and a new one is taken at once.
    std::fs::write(&sig, "eJwrongsignature").unwrap();
    stage.every(CONTACT, Effect::Refuse(60011));
    stage.wake_at("2026-11-20T11:20:00").await;
    let told = stage.error("tencent_desk_agent");
    assert!(told.contains("of the token from the file ") && !told.contains("eJwrong"), "{told}");
    std::fs::write(&sig, sign(stage.clock.now())).unwrap();
    stage.wake_at("2026-11-20T11:21:00").await;
    assert_eq!(stage.error("tencent_desk_agent"), "");
}

#[tokio::test]
async fn check_online_tells_where_the_token_comes_from_and_nothing_of_it() {
    let site = Site::new().await;
    let server = TokenServer::start().await;
    let token = login(&site.simulator, &site.simulator.company().secret.clone()).await;
    let path = site.write("exporter.yaml", "");
    let key = format!("{}, contact: {{users: [WangWu]}}", server.key());
    std::fs::write(&path, wecom(&site.simulator, &key)).unwrap();
    let check = async || {
        let mut command =
            program(&["check", "--online", "--storage.path", "", "--log.level", "trace", "--config.file"]);
        command.arg(&path).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let output = soon(tokio::task::spawn_blocking(move || command.output().unwrap())).await.unwrap();
        let told = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat();
        assert!(!told.contains("s3cret") && !told.contains(&token), "{told}");
        (output.status.success(), told)
    };
    server.give(&token, 7200);
    let (works, told) = check().await;
    let from = format!("comes from the token server http://127.0.0.1:{}/wecom, good until ", server.port);
    assert!(works && told.contains(&from) && told.contains("works; "), "{told}");
    assert_eq!(site.simulator.calls().get(GETTOKEN), None);
    *server.answer.lock().unwrap() = (401, "s3cret".to_owned());
    let (works, told) = check().await;
    assert!(!works && told.contains("it refuses us (HTTP 401): check header"), "{told}");
}
