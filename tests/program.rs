//! The built program, as its operator meets it.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use imstats_exporter::day::{Day, Zone};
use imstats_exporter::simulator::Company;

use crate::exporter::tells;
use crate::harness::{Page, choose_tls, soon};
use crate::secrets::leak;

const NEVER: Duration = Duration::from_secs(20);

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imstats_exporter"));
    command.args(arguments).stdin(Stdio::null());
    // Whoever runs the tests may have an exporter configured.
    for (name, _) in std::env::vars().filter(|(name, _)| tells(name)) {
        command.env_remove(name);
    }
    command
}

/// Runs it to its end: the exit code, what it printed and what it logged.
pub(crate) fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    Running::start(arguments).finish()
}

/// A program that runs until the test ends it; it is killed with the test.
pub(crate) struct Running {
    child: Child,
    printed: Receiver<String>,
    logged: Receiver<String>,
}

impl Running {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        choose_tls();
        let mut child = program(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (printed, logged) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        Self { child, printed, logged }
    }

    /// The next line that it prints which has `part` in it.
    fn line(&self, part: &str) -> String {
        next_with(&self.printed, part)
    }

    /// The same of its log.
    pub(crate) fn log_line(&self, part: &str) -> String {
        next_with(&self.logged, part)
    }

    /// Sends the signal and waits for the end: the exit code, the rest of the output and of the log.
    pub(crate) fn end(self, signal: &str) -> (Option<i32>, String, String) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        self.finish()
    }

    fn finish(mut self) -> (Option<i32>, String, String) {
        let (printed, logged) = (rest(&self.printed), rest(&self.logged));
        (self.child.wait().unwrap().code(), printed, logged)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a pipe, which is read so that it never fills up.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // The test may have what it wanted.
            let _ = sender.send(line);
        }
    });
    receiver
}

fn next_with(lines: &Receiver<String>, part: &str) -> String {
    loop {
        let line = lines.recv_timeout(NEVER).unwrap_or_else(|_| panic!("no line with `{part}`"));
        if line.contains(part) {
            return line;
        }
    }
}

/// All lines to the end.
fn rest(lines: &Receiver<String>) -> String {
    let mut text = String::new();
    loop {
        match lines.recv_timeout(NEVER) {
            Ok(line) => text = text + &line + "\n",
            Err(RecvTimeoutError::Disconnected) => return text,
            Err(RecvTimeoutError::Timeout) => panic!("it does not end; so far: {text}"),
        }
    }
}

pub(crate) async fn get(url: &str) -> Option<String> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
    client.get(url).send().await.ok()?.error_for_status().ok()?.text().await.ok()
}

/// The page, once it has what `ready` wants.
pub(crate) async fn page_with(url: &str, ready: impl Fn(&str) -> bool) -> String {
    let started = Instant::now();
    loop {
        if let Some(page) = get(url).await.filter(|page| ready(page)) {
            return page;
        }
        assert!(started.elapsed() < NEVER, "{url} never had it");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The first `http://` URL in a line.
fn url(line: &str) -> String {
    let start = line.find("http://").unwrap();
    line[start..].split_whitespace().next().unwrap().to_owned()
}

#[tokio::test]
async fn the_demo_shows_all_six_sources_within_seconds_and_ends_well() {
    let started = Instant::now();
    let demo = Running::start(&["demo", "--web.listen-address", "127.0.0.1:0", "--log.level", "trace"]);
    let metrics = url(&demo.line("/metrics"));
    let prefixes = [
        "wecom_contact_user_",
        "wecom_groupchat_owner_",
        "wecom_groupchat_team_",
        "wecom_kf_account_",
        "tencent_desk_agent_",
        "feishu_message_push{",
    ];
    let page = page_with(&metrics, |page| prefixes.iter().all(|prefix| page.contains(&format!("\n{prefix}")))).await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(Page::read(&page).all("imstats_source_up").len(), 6);
    let status = metrics.replace("/metrics", "/");
    assert!(get(&status).await.unwrap().contains("wecom_contact"));
    assert!(get(&metrics.replace("/metrics", "/-/ready")).await.is_some_and(|text| !text.is_empty()));
    let (code, _, log) = demo.end("-TERM");
    assert_eq!(code, Some(0), "{log}");
    let company = Company::new(40, 1);
    let secrets =
        [company.secret.clone(), company.kf_secret.clone(), company.secret_key.clone(), company.app_secret.clone()];
    assert!(log.contains("asked the platform"), "the log is a whole one");
    assert_eq!(leak(&log, &secrets), None, "in the log");
    assert_eq!(leak(&page, &secrets), None, "on the page");
}

#[test]
fn check_tells_all_mistakes_at_once() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("exporter.yaml");
    let text = "
poll_interval: 10m
wecom:
  - account: acme corp
    corp_id: ww1
    secret: {env: IMSTATS_TEST_NOT_SET}
    contact: {users: top, departments: [north]}
feishu:
  - account: acme
    app_id: cli_1
    message_push: {apps: [], lookback_days: 3}
";
    std::fs::write(&file, text).unwrap();
    let (code, out, log) = run(&["check", "--config.file", file.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{out}{log}");
    let told = format!("{out}{log}");
    for place in [
        "wecom[0].account",
        "wecom[0].secret",
        "wecom[0].contact.users",
        "wecom[0].contact.departments[0]",
        "feishu[0].app_secret",
        "feishu[0].message_push.apps",
        "feishu[0].message_push.lookback_days",
    ] {
        assert!(told.contains(place), "{place} in {told}");
    }
}

#[test]
fn check_says_what_polling_costs() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("exporter.yaml");
    std::fs::write(&file, "wecom: [{account: acme, corp_id: ww1, secret: s, contact: {users: [a, b, c]}}]").unwrap();
    let (code, out, log) = run(&["check", "--config.file", file.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{log}");
    assert!(out.contains("wecom_contact") && out.contains("acme"), "{out}");
}

#[test]
fn whoever_opens_the_figures_to_all_is_warned() {
    let folder = tempfile::TempDir::new().unwrap();
    let (file, web) = (folder.path().join("exporter.yaml"), folder.path().join("web.yml"));
    std::fs::write(&file, "wecom: [{account: acme, corp_id: ww1, secret: s3cret, contact: {users: [a]}}]").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::fs::write(&web, "basic_auth_users: {}\n").unwrap();
    let [config, web] = [&file, &web].map(|path| path.to_str().unwrap());
    let common = ["--config.file", config, "--storage.path", ""];
    let warned = |arguments: &[&str]| {
        let (code, out, log) = run(&[arguments, &common].concat());
        assert_eq!(code, Some(0), "{out}{log}");
        assert!(out.contains("warning: wecom[0].secret: ") && out.contains("chmod 600"), "{out}");
        assert!(!out.contains("s3cret"), "{out}");
        out.contains("warning: everybody who reaches")
    };
    assert!(warned(&["check"]));
    assert!(warned(&["check", "--web.listen-address", "127.0.0.1:1,10.0.0.1:1"]));
    assert!(!warned(&["check", "--web.listen-address", "127.0.0.1:1,[::1]:1"]));
    assert!(warned(&["check", "--web.config.file", web]), "it names nobody who may");
    let hash = bcrypt::hash("right", 4).unwrap();
    std::fs::write(web, format!("basic_auth_users: {{ann: {hash}}}")).unwrap();
    assert!(!warned(&["check", "--web.config.file", web]));
    let serve = Running::start(&[&["serve", "--web.listen-address", ":0"], &common[..]].concat());
    serve.log_line("everybody who reaches");
    serve.log_line("listening");
    let (code, _, _) = serve.end("-TERM");
    assert_eq!(code, Some(0));
}

#[test]
fn an_unknown_key_is_told_with_its_place_and_the_nearest_known_one() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("exporter.yaml");
    std::fs::write(&file, "wecom:\n  - account: acme\n    corp_id: ww1\n    secret: s\n    contact: {userz: all}\n")
        .unwrap();
    for command in ["check", "once", "serve"] {
        let (code, out, log) = run(&[command, "--config.file", file.to_str().unwrap(), "--storage.path", ""]);
        assert_eq!(code, Some(1), "{command}");
        let told = format!("{out}{log}");
        assert!(
            told.contains("exporter.yaml:5:") && told.contains("userz") && told.contains("did you mean `users`"),
            "{command}: {told}"
        );
    }
}

#[tokio::test]
async fn once_prints_the_page_of_a_simulated_company() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("exporter.yaml");
    let simulate = start_simulating(&file);
    let configured = file.to_str().unwrap().to_owned();
    let once = tokio::task::spawn_blocking(move || run(&["once", "--config.file", &configured]));
    let (code, page, log) = soon(once).await.unwrap();
    assert_eq!(code, Some(0), "{log}");
    assert!(!page.contains("process_"), "node_exporter's textfile collector has its own: {page}");
    let samples = Page::read(&page);
    let figures = samples.figures();
    for prefix in [
        "wecom_contact_team_",
        "wecom_groupchat_team_",
        "wecom_kf_account_",
        "tencent_desk_agent_",
        "feishu_message_push",
    ] {
        assert!(figures.keys().any(|series| series.starts_with(prefix)), "{prefix}");
    }
    assert_eq!(samples.all("imstats_source_up"), [1.0; 6]);
    let (code, counts, _) = simulate.end("-INT");
    assert_eq!(code, Some(0));
    assert!(counts.contains("calls of externalcontact/get_user_behavior_data"), "{counts}");
    // The platforms are gone.
    let configured = file.to_str().unwrap().to_owned();
    let (code, page, _) =
        tokio::task::spawn_blocking(move || run(&["once", "--config.file", &configured])).await.unwrap();
    assert_eq!(code, Some(1), "a source is not up");
    assert_eq!(Page::read(&page).all("imstats_source_up"), [0.0; 6]);
}

/// Starts `simulate`, and writes the configuration that it prints to `file`.
pub(crate) fn start_simulating(file: &Path) -> Running {
    let simulate = Running::start(&["simulate", "--users", "20", "--no-limits", "--listen", "127.0.0.1:0"]);
    let mut yaml = String::new();
    loop {
        let line = simulate.line("");
        yaml.push_str(&line);
        yaml.push('\n');
        if line.contains("agent_statistics") {
            break;
        }
    }
    std::fs::write(file, yaml).unwrap();
    simulate
}

#[tokio::test]
async fn a_killed_exporter_shows_the_same_page_when_it_comes_back_without_its_platforms() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("exporter.yaml");
    let simulate = start_simulating(&file);
    let store = folder.path().join("data");
    let arguments = [
        "serve",
        "--config.file",
        file.to_str().unwrap(),
        "--storage.path",
        store.to_str().unwrap(),
        "--web.listen-address",
        "127.0.0.1:0",
        "--log.format",
        "json",
    ];
    let serve = Running::start(&arguments);
    let metrics = listening(&serve);
    let whole = |page: &str| {
        Page::read(page).all("imstats_source_targets{state=\"pending\"}") == [0.0; 6]
            && Page::read(page).all("imstats_source_stat_timestamp_seconds").len() == 6
    };
    let before = Page::read(&page_with(&metrics, whole).await).figures();
    // Dropped is killed.
    drop(serve);
    drop(simulate);
    let serve = Running::start(&arguments);
    let metrics = listening(&serve);
    let ready = metrics.replace("/metrics", "/-/ready");
    let started = Instant::now();
    while get(&ready).await.is_none() {
        assert!(started.elapsed() < NEVER);
    }
    let after = page_with(&metrics, |page| !Page::read(page).figures().is_empty()).await;
    assert_eq!(Page::read(&after).figures(), before);
    let (code, _, _) = serve.end("-INT");
    assert_eq!(code, Some(0));
}

/// The URL of its page, from the log.
pub(crate) fn listening(serve: &Running) -> String {
    let entry: serde_json::Value = serde_json::from_str(&serve.log_line("\"address\"")).unwrap();
    format!("http://{}/metrics", entry["address"].as_str().unwrap())
}

#[test]
fn help_and_version_are_told_and_unknown_flags_are_refused() {
    let (code, help, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    for word in ["check", "once", "demo", "simulate", "--config.file", "--web.listen-address", "IMSTATS_STORAGE_PATH"] {
        assert!(help.contains(word), "{word} in {help}");
    }
    let (code, version, _) = run(&["--version"]);
    assert_eq!((code, version.contains(env!("CARGO_PKG_VERSION"))), (Some(0), true));
    let (code, _, log) = run(&["--config.fil", "x"]);
    assert_eq!(code, Some(2));
    assert!(log.contains("--config.file"), "the nearest flag is named: {log}");
    let (code, _, _) = run(&["fly"]);
    assert_eq!(code, Some(2));
}

#[test]
fn a_missing_configuration_is_told_in_words() {
    let folder = tempfile::TempDir::new().unwrap();
    let missing = folder.path().join("none.yaml");
    for command in ["serve", "check", "once"] {
        let (code, _, log) = run(&[command, "--config.file", missing.to_str().unwrap(), "--storage.path", ""]);
        assert_eq!(code, Some(1), "{command}");
        assert!(log.contains("none.yaml") && log.contains("exporter.example.yaml"), "{command}: {log}");
    }
}

#[test]
fn a_signal_ends_a_command_that_waits_for_a_platform() {
    let platform = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("exporter.yaml");
    let (config, store) = (config.to_str().unwrap(), folder.path().join("data"));
    let base = format!("base_url: \"http://{}\"", platform.local_addr().unwrap());
    std::fs::write(config, format!("wecom: [{{account: a, corp_id: ww1, secret: s, {base}, contact: {{}}}}]")).unwrap();
    let (config, store) = (["--config.file", config], ["--storage.path", store.to_str().unwrap()]);
    // The first process of a container hears no signal that it does not ask for.
    let day = Day::containing(jiff::Timestamp::now(), &Zone::china()).plus(-3).to_string();
    let backfill = ["backfill", "--from", &day, "--to", &day];
    for (command, signal, code) in
        [(&["check", "--online"][..], "-TERM", 143), (&["once"], "-INT", 130), (&backfill, "-TERM", 143)]
    {
        let running = Running::start(&[command, &config, &store].concat());
        let asked = platform.accept().unwrap();
        assert_eq!(running.end(signal).0, Some(code), "{command:?}");
        drop(asked);
    }
    let simulating = Running::start(&["simulate", "--listen", "127.0.0.1:0"]);
    simulating.line("tencent_desk:");
    assert_eq!(simulating.end("-TERM").0, Some(0));
}
