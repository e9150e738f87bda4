//! The program while nothing reads what it logs, gets signals that mean nothing, or has no threads left.

use std::io::{BufRead, BufReader, Lines, PipeReader, PipeWriter, Read, Write, pipe};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::exporter::{Exporter, Site, exit_code, program};
use crate::harness::{Page, choose_tls, soon};
use crate::program::{get, run};
use crate::tools;

/// How long the demo may take to poll thousands of people, on a machine that has much else to do.
const POLLED: Duration = Duration::from_secs(120);

/// The demo, whose log goes into a pipe that is full and that nothing reads yet.
struct Stalled {
    process: Child,
    metrics: String,
    log: PipeReader,
    /// Kept, as the program ends where nobody reads what it prints.
    _printed: Lines<BufReader<ChildStdout>>,
}

impl Stalled {
    fn start() -> Self {
        choose_tls();
        let (log, writer) = pipe().unwrap();
        fill(writer.try_clone().unwrap());
        // Each of many calls is a line.
        let arguments = ["demo", "--users", "3000", "--log.level", "debug", "--web.listen-address", "127.0.0.1:0"];
        let mut process = program(&arguments).stdout(Stdio::piped()).stderr(writer).spawn().unwrap();
        let mut printed = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = printed.find_map(|line| line.ok().filter(|line| line.contains("/metrics"))).unwrap();
        let metrics = line.split_whitespace().next().unwrap().to_owned();
        Self { process, metrics, log, _printed: printed }
    }

    /// Waits until all is polled, and lines of the log are lost.
    async fn until_lines_are_lost(&self) {
        let settled = async || {
            let Some(page) = get(&self.metrics).await else { return false };
            let page = Page::read(&page);
            page.all("imstats_source_up") == [1.0; 6] && page.series("imstats_log_lines_dropped_total") > Some(0.0)
        };
        let waiting = async {
            while !settled().await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(POLLED, waiting).await.expect("all is polled though nothing reads the log");
    }

    fn terminate(&self) {
        assert!(Command::new("kill").arg(self.process.id().to_string()).status().unwrap().success());
    }

    async fn end(&mut self) -> Option<i32> {
        exit_code(&mut self.process).await
    }
}

impl Drop for Stalled {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Fills the pipe, and fills it again until a mebibyte was read from it.
fn fill(mut pipe: PipeWriter) {
    std::thread::spawn(move || {
        let mut line = vec![b'x'; 1023];
        line.push(b'\n');
        for _ in 0..1024 {
            if pipe.write_all(&line).is_err() {
                return;
            }
        }
    });
}

#[tokio::test]
async fn a_log_that_nothing_reads_holds_up_neither_polling_nor_scrapes_nor_the_end() {
    let mut stalled = Stalled::start();
    stalled.until_lines_are_lost().await;
    for path in ["/metrics", "/-/healthy", "/-/ready", "/", "/api/v1/status"] {
        assert!(get(&stalled.metrics.replace("/metrics", path)).await.is_some(), "{path}");
    }
    stalled.terminate();
    assert_eq!(stalled.end().await, Some(0));
}

#[tokio::test]
async fn a_log_that_is_read_again_tells_what_was_lost_and_has_the_last_lines() {
    let mut stalled = Stalled::start();
    stalled.until_lines_are_lost().await;
    let mut log = stalled.log.try_clone().unwrap();
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        log.read_to_string(&mut text).map(|_| text)
    });
    // A line of now stands behind all that waited.
    let reload = stalled.metrics.replace("/metrics", "/api/v1/status");
    assert!(get(&reload).await.is_some());
    stalled.terminate();
    assert_eq!(stalled.end().await, Some(0));
    let text = soon(tokio::task::spawn_blocking(move || reading.join().unwrap().unwrap())).await.unwrap();
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('x')).collect();
    assert!(lines[0].contains("message=listening"), "{}", lines[0]);
    assert!(lines.iter().any(|line| line.contains("log lines were dropped")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("ending: requests under way")), "{:?}", lines.last());
    assert!(text.ends_with('\n'), "no line is cut");
}

#[test]
fn the_fatal_line_has_the_format_of_the_log() {
    let arguments = ["--config.file", "/nonexistent/exporter.yaml"];
    let (code, _, log) = run(&arguments);
    assert_eq!(code, Some(1));
    assert!(log.starts_with("imstats_exporter: cannot read "), "{log}");
    let (code, _, log) = run(&[&arguments[..], &["--log.format=json"]].concat());
    assert_eq!(code, Some(1));
    let line: serde_json::Value = serde_json::from_str(log.trim_end()).unwrap_or_else(|error| panic!("{error}: {log}"));
    assert_eq!(line["level"], "ERROR");
    assert!(line["message"].as_str().unwrap().contains("/nonexistent/exporter.yaml"), "{line}");
}

#[tokio::test]
async fn signals_that_mean_nothing_are_ignored_and_told() {
    let site = Site::new().await;
    let exporter = site.exporter(&[]).await;
    for name in ["USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "PWR", "STKFLT"] {
        exporter.signal(name);
        let words = format!("SIG{name} means nothing here");
        exporter.until("the signal is told", async || exporter.log().contains(&words)).await;
    }
    assert_eq!(exporter.get("/-/healthy").await.status, 200);
    exporter.signal("TERM");
    assert_eq!(exporter.end().await, Some(0));
}

#[tokio::test]
async fn a_second_exporter_with_the_same_store_is_told_and_commands_beside_it_are_not() {
    let site = Site::new().await;
    site.write("exporter.yaml", "wecom: [{$wecom, contact: {$fast}}]");
    let first = Exporter::start(site.command()).await;
    first.until_settled().await;
    let words = "another exporter uses this store";
    let second = Exporter::start(site.command()).await;
    assert!(second.log().contains(words), "{}", second.log());
    assert!(!first.log().contains(words), "{}", first.log());
    drop(second);
    let mut check = site.command();
    let output = check.arg("check").stdout(Stdio::piped()).output().unwrap();
    assert!(output.status.success());
    assert!(!String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).contains(words));
    drop(first);
    let again = Exporter::start(site.command()).await;
    assert!(!again.log().contains(words), "{}", again.log());
}

#[tokio::test]
async fn without_threads_it_says_so_and_does_not_panic() {
    if !tools::has("setpriv") || !tools::has("prlimit") {
        return;
    }
    let site = Site::new().await;
    let config = site.write("exporter.yaml", "wecom: [{$wecom, contact: {$fast}}]");
    // Another user, as root has no such limit, and one without other processes.
    let user = (100_000 + std::process::id()).to_string();
    let mut told = 0;
    for most in 1..=8 {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &user, "--clear-groups", "prlimit", &format!("--nproc={most}"), "--"]);
        let exporter = program(&["check", "--storage.path", "", "--log.format", "json"]);
        command.arg(exporter.get_program()).args(exporter.get_args()).arg("--config.file").arg(&config);
        crate::exporter::untold(&mut command);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        if log.contains("setpriv") || log.contains("prlimit") {
            return println!("skipped, as this user may not become another: {log}");
        }
        assert!(!log.contains("panicked"), "{most}: {log}");
        if log.contains("cannot start the threads") {
            assert_eq!(output.status.code(), Some(1), "{most}: {log}");
            serde_json::from_str::<serde_json::Value>(log.trim_end()).unwrap();
            told += 1;
        }
    }
    assert!(told >= 2, "it was told {told} times");
}
