//! A client of the simulated platforms.

use std::io::Write;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};

use crate::day::Clock;
use crate::simulator::{Company, Options, Simulator};

/// A simulator at 2026-11-20 11:00 in China, and a client.
pub(super) struct Client {
    pub(super) simulator: Simulator,
    pub(super) clock: Clock,
    pub(super) http: reqwest::Client,
}

impl Client {
    pub(super) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        // It may have been installed by another test.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clock = Clock::manual("2026-11-20T11:00:00+08:00".parse().unwrap());
        let mut options = Options::new(120, clock.clone());
        change(&mut options);
        let simulator = Simulator::start("127.0.0.1:0".parse().unwrap(), options).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
        Self { simulator, clock, http }
    }

    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) fn company(&self) -> &Company {
        self.simulator.company()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.simulator.base_url())
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        self.http.get(self.url(path)).send().await.unwrap().json().await.unwrap()
    }

    pub(super) async fn login(&self, secret: &str) -> Value {
        self.get(&format!("/cgi-bin/gettoken?corpid={}&corpsecret={secret}", self.company().corp_id)).await
    }

    pub(super) async fn token(&self) -> String {
        self.login(&self.company().secret).await["access_token"].as_str().unwrap().to_owned()
    }

    pub(super) async fn wecom(&self, path: &str, body: Value) -> Value {
        let url = self.url(&format!("/cgi-bin/{path}?access_token={}", self.token().await));
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    pub(super) async fn desk(&self, identifier: &str, time: i64, body: Value) -> Value {
        let app = self.company().sdk_app_id;
        let usersig = sign(&self.company().secret_key, app, identifier, time);
        let query = format!("sdkappid={app}&identifier={identifier}&usersig={usersig}&random=7&contenttype=json");
        let url = self.url(&format!("/v4/desk_http_svc/describe_agent_statistics?{query}"));
        self.http.post(url).json(&body).send().await.unwrap().json().await.unwrap()
    }

    pub(super) async fn feishu_token(&self) -> Value {
        let body = json!({ "app_id": self.company().app_id, "app_secret": self.company().app_secret });
        let url = self.url("/open-apis/auth/v3/tenant_access_token/internal");
        self.http.post(url).json(&body).send().await.unwrap().json().await.unwrap()
    }

    pub(super) async fn push(&self, body: Value) -> (u16, Value) {
        let token = self.feishu_token().await["tenant_access_token"].as_str().unwrap().to_owned();
        let app = &self.company().app_id;
        let url = self.url(&format!("/open-apis/application/v6/applications/{app}/app_usage/message_push_overview"));
        let answer = self.http.post(url).bearer_auth(token).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

fn sign(key: &str, app: u32, identifier: &str, time: i64) -> String {
    let content = format!("TLS.identifier:{identifier}\nTLS.sdkappid:{app}\nTLS.time:{time}\nTLS.expire:600\n");
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(content.as_bytes());
    let ticket = json!({
        "TLS.ver": "2.0",
        "TLS.identifier": identifier,
        "TLS.sdkappid": app,
        "TLS.expire": 600,
        "TLS.time": time,
        "TLS.sig": STANDARD.encode(mac.finalize().into_bytes()),
    });
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(ticket.to_string().as_bytes()).unwrap();
    STANDARD.encode(packed.finish().unwrap()).replace('+', "*").replace('/', "-").replace('=', "_")
}
