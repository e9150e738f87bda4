//! A Prometheus that holds what was scraped at the times of a manual clock.

use std::fmt::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Stage, soon};
use crate::tools;

/// What was scraped, as text for promtool.
#[derive(Default)]
pub(crate) struct Scrapes(String);

impl Scrapes {
    /// Scrapes the page as it is now; of the exporter's own metrics those about sources.
    pub(crate) fn scrape(&mut self, stage: &Stage) {
        let now = stage.clock.now().as_second();
        let text = stage.text();
        let lines = text.lines().filter(|line| {
            let own = ["imstats_", "process_", "#"].iter().any(|start| line.starts_with(start));
            !own || line.starts_with("imstats_source_")
        });
        for line in lines {
            let (name, rest) = line.split_once('{').unwrap();
            writeln!(self.0, "{name}{{job=\"imstats_exporter\",instance=\"a\",{rest} {now}").unwrap();
        }
    }
}

/// A Prometheus of this test alone, which ends with it.
pub(crate) struct Prometheus {
    process: Child,
    base: String,
    _folder: TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It is gone already, or it goes now.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Prometheus {
    /// Starts one that holds `scrapes`.
    pub(crate) async fn start(scrapes: Scrapes) -> Self {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("scrapes.om"), scrapes.0 + "# EOF\n").unwrap();
        std::fs::write(path("prometheus.yml"), "{}\n").unwrap();
        let load = ["tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=720h"];
        let mut load: Vec<_> = load.map(str::to_owned).into();
        load.extend([path("scrapes.om"), path("data")]);
        let (loaded, printed) = tools::run("promtool", load, None).await;
        assert!(loaded, "{printed}");
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", path("prometheus.yml")))
            .arg(format!("--storage.tsdb.path={}", path("data")))
            .arg("--storage.tsdb.retention.time=90y")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Self { process, base: format!("http://127.0.0.1:{port}"), _folder: folder };
        let ready = async {
            while started.get("/-/ready", &[]).await.is_none() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        soon(ready).await;
        started
    }

    async fn get(&self, path: &str, query: &[(&str, String)]) -> Option<String> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(format!("{}{path}", self.base)).query(query).send().await.ok()?;
        let ready = answer.status().is_success();
        let text = answer.text().await.ok()?;
        assert!(ready || path.starts_with("/-/"), "{query:?}: {text}");
        ready.then_some(text)
    }

    /// The series that `query` gives: labels, and points of time and value.
    async fn ask(&self, path: &str, query: &[(&str, String)]) -> Vec<(Value, Vec<(Timestamp, f64)>)> {
        let text = soon(self.get(path, query)).await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        let point = |point: &Value| {
            let (at, value) = (point[0].as_f64().unwrap(), point[1].as_str().unwrap());
            (Timestamp::from_millisecond((at * 1000.0) as i64).unwrap(), value.parse().unwrap())
        };
        let series = answer["data"]["result"].as_array().unwrap().iter().map(|series| {
            let points = match series["values"].as_array() {
                Some(points) => points.iter().map(point).collect(),
                None => vec![point(&series["value"])],
            };
            (series["metric"].clone(), points)
        });
        series.collect()
    }

    /// What `query` gives at one instant.
    pub(crate) async fn at(&self, query: &str, time: Timestamp) -> Vec<(Value, f64)> {
        let asked = [("query", query.to_owned()), ("time", time.as_second().to_string())];
        let series = self.ask("/api/v1/query", &asked).await;
        series.into_iter().map(|(labels, points)| (labels, points[0].1)).collect()
    }

    /// What it gives from `first` to `last`, every `hours`.
    pub(crate) async fn range(
        &self,
        query: &str,
        first: Timestamp,
        last: Timestamp,
        hours: u32,
    ) -> Vec<(Value, Vec<(Timestamp, f64)>)> {
        let asked = [
            ("query", query.to_owned()),
            ("start", first.as_second().to_string()),
            ("end", last.as_second().to_string()),
            ("step", format!("{hours}h")),
        ];
        self.ask("/api/v1/query_range", &asked).await
    }
}
