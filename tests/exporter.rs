//! The built program in a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use imstats_exporter::day::Clock;
use imstats_exporter::simulator::{Options, Simulator};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{choose_tls, filled, soon};

/// Platforms of a small company, by the real clock, and a folder for files.
pub(crate) struct Site {
    pub(crate) simulator: Simulator,
    folder: TempDir,
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::of(8).await
    }

    /// The same with a company of `users`.
    pub(crate) async fn of(users: u32) -> Self {
        choose_tls();
        let options = Options { enforce_limits: false, ..Options::new(users, Clock::system()) };
        let simulator = Simulator::start("127.0.0.1:0".parse().unwrap(), options).await.unwrap();
        Self { simulator, folder: tempfile::tempdir().unwrap() }
    }

    /// Writes a file that only its owner can read, with what `$wecom` and the like stand for; gives its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.folder.path().join(name);
        std::fs::write(&path, filled(text, &self.simulator)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The program with the configuration in this folder, and its store beside it.
    pub(crate) fn command(&self) -> Command {
        let mut command = program(&["--web.listen-address", "127.0.0.1:0", "--storage.path"]);
        command.arg(self.store()).arg("--config.file").arg(self.folder.path().join("exporter.yaml"));
        command
    }

    /// The folder of that store.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The program with a configuration that polls all of WeCom and nothing on disk.
    pub(crate) async fn exporter(&self, more: &[&str]) -> Exporter {
        let path = self.write("exporter.yaml", "wecom: [{$wecom, contact: {$fast}, groupchat: {$fast}}]");
        let mut command = program(&["--storage.path", ""]);
        command.args(more);
        if !more.contains(&"--config.file") {
            command.arg("--config.file").arg(path);
        }
        if !more.contains(&"--web.listen-address") {
            command.args(["--web.listen-address", "127.0.0.1:0"]);
        }
        Exporter::start(command).await
    }
}

/// The program with these arguments, and none from the environment.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imstats_exporter"));
    command.args(arguments).stdout(Stdio::null());
    untold(&mut command);
    command
}

/// Hides what the environment would tell the program.
pub(crate) fn untold(command: &mut Command) {
    for (name, _) in std::env::vars().filter(|(name, _)| tells(name)) {
        command.env_remove(name);
    }
}

/// Whether the program obeys that variable of the environment.
pub(crate) fn tells(name: &str) -> bool {
    name.starts_with("IMSTATS_") || name.to_ascii_uppercase().ends_with("_PROXY")
}

/// The running program; it is killed with the test.
pub(crate) struct Exporter {
    process: Child,
    log: Arc<Mutex<String>>,
}

impl Exporter {
    /// Starts it and waits until it listens.
    pub(crate) async fn start(command: Command) -> Self {
        choose_tls();
        Self::attempt(command).await.unwrap_or_else(|log| panic!("it ended: {log}"))
    }

    /// The same of one that may end before it listens: then what it logged.
    pub(crate) async fn attempt(mut command: Command) -> Result<Self, String> {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let log: Arc<Mutex<String>> = Arc::default();
        let (lines, shared) = (BufReader::new(process.stderr.take().unwrap()).lines(), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                shared.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let mut exporter = Self { process, log };
        let listens = |exporter: &Self| exporter.log().contains("message=listening");
        soon(async {
            while !listens(&exporter) {
                if exporter.process.try_wait().unwrap().is_some() {
                    // What it said last may still be in the pipe.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    return Err(exporter.log());
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        })
        .await?;
        Ok(exporter)
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Where it listens, in the order of the flags.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let log = self.log();
        let lines = log.lines().filter(|line| line.contains("message=listening"));
        lines.map(|line| line.split_once("address=").unwrap().1.parse().unwrap()).collect()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addresses()[0])
    }

    /// Asks for `request`, which is the first line and headers; gives status, head and body.
    pub(crate) async fn send(&self, request: &str) -> Answer {
        let head = format!("{request}\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        read(self.write(head.as_bytes()).await).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1")).await
    }

    /// A connection on which `bytes` were sent.
    pub(crate) async fn write(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.addresses()[0]).await.unwrap();
        // It may refuse before it has read all.
        let _ = stream.write_all(bytes).await;
        stream
    }

    /// Waits until the page has what `wanted` wants, and gives it.
    pub(crate) async fn page_with(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        self.until(what, async || wanted(&self.get("/metrics").await.body)).await;
        self.get("/metrics").await.body
    }

    /// Waits until every source has asked all of its targets.
    pub(crate) async fn until_settled(&self) {
        let settled = async || {
            let report: serde_json::Value = serde_json::from_str(&self.get("/api/v1/status").await.body).unwrap();
            let sources = report["sources"].as_array().unwrap();
            let asked = |source: &serde_json::Value| !source["last_round"].is_null();
            !sources.is_empty() && sources.iter().all(asked)
        };
        self.until("every source has had a round", settled).await;
    }

    pub(crate) async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let waiting = async {
            while !condition().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let log = || self.log();
        tokio::time::timeout(Duration::from_secs(30), waiting)
            .await
            .unwrap_or_else(|_| panic!("{what}: never; {}", log()));
    }

    /// Sends a signal, such as `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end, and gives the exit code.
    pub(crate) async fn end(mut self) -> Option<i32> {
        exit_code(&mut self.process).await
    }

    /// The seconds of a processor that it has used.
    pub(crate) fn processor_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        // utime and stime, in hundredths.
        fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
    }

    /// A number of `/proc/PID/status`, such as `VmRSS` in KiB, or `Threads`.
    pub(crate) fn status(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// How many files and connections it has open.
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.process.id())).unwrap().count()
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits for the end of a process, and gives its exit code.
pub(crate) async fn exit_code(process: &mut Child) -> Option<i32> {
    let ended = async {
        loop {
            if let Some(status) = process.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(ended).await
}

/// An answer over HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and headers, names in lower case as the program writes them.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Reads an answer to the end of the connection.
pub(crate) async fn read(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // A connection that is reset behind the answer has given it.
    let _ = soon(stream.read_to_end(&mut bytes)).await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
