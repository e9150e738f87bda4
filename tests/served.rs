//! The page over HTTP.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use imstats_exporter::http::{App, WebConfig, bind};
use tokio_util::sync::CancellationToken;

use crate::harness::{Stage, soon};

/// The exporter's web server.
pub(crate) struct Served {
    base: String,
    stop: CancellationToken,
}

impl Served {
    pub(crate) async fn start(stage: &Stage) -> Self {
        let bound = bind(&["127.0.0.1:0".to_owned()]).await.unwrap();
        let base = format!("http://{}", bound.addresses()[0]);
        let app = App {
            exposition: stage.context.exposition.clone(),
            web: WebConfig::open(),
            access: imstats_exporter::http::Access::default(),
            telemetry: stage.context.telemetry.clone(),
            telemetry_path: "/metrics".to_owned(),
            ready: Arc::new(AtomicBool::new(true)),
            reload: None,
            dashboards: &[],
            clock: stage.clock.clone(),
        };
        let stop = CancellationToken::new();
        tokio::spawn(bound.serve(app, stop.clone()));
        Self { base, stop }
    }

    /// The body of what is there.
    pub(crate) async fn get(&self, path: &str) -> String {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = soon(client.get(format!("{}{path}", self.base)).send()).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
