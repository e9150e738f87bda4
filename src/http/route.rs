//! Which path is answered by what.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, REFERRER_POLICY,
    RETRY_AFTER, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, StatusCode};

use super::access_log::AccessLog;
use super::answer::{Answer, frames, fresh, line, set};
use super::transport::{Peer, Transport};
use super::web_config::{AuthResult, Settings};
use super::{App, browser, negotiate, status};
use crate::printable::shown;

/// The longest request body that is read; nothing here needs one.
const MOST_BODY: usize = 64 * 1024;
/// Where dashboards are.
const DASHBOARDS: &str = "/dashboards/";
/// The status page shows words of platforms: whatever they are, a browser runs and loads nothing.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// How long a request body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handler {
    Metrics,
    StatusPage,
    Style,
    StatusReport,
    Dashboard,
    Healthy,
    Ready,
    Reload,
}

impl Handler {
    fn of(path: &str, telemetry_path: &str) -> Option<Self> {
        match path {
            "/-/healthy" => Some(Self::Healthy),
            "/-/ready" => Some(Self::Ready),
            "/-/reload" => Some(Self::Reload),
            path if path == telemetry_path => Some(Self::Metrics),
            "/" => Some(Self::StatusPage),
            "/status.css" => Some(Self::Style),
            "/api/v1/status" => Some(Self::StatusReport),
            path => path.starts_with(DASHBOARDS).then_some(Self::Dashboard),
        }
    }

    /// The value of the label `handler`.
    fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::StatusPage | Self::Style => "status",
            Self::StatusReport => "api",
            Self::Dashboard => "dashboards",
            Self::Healthy => "healthy",
            Self::Ready => "ready",
            Self::Reload => "reload",
        }
    }

    /// Whether it only says that the program runs; it needs no password.
    fn is_health(self) -> bool {
        matches!(self, Self::Healthy | Self::Ready)
    }

    fn methods(self) -> (&'static [Method], &'static str) {
        match self {
            // Prometheus takes both for its own reload.
            Self::Reload => (&[Method::POST, Method::PUT], "POST, PUT"),
            _ => (&[Method::GET, Method::HEAD], "GET, HEAD"),
        }
    }
}

/// Answers one request, which came from `peer`.
pub(super) async fn answer(app: &App, log: &AccessLog, request: Request<Incoming>, peer: &Peer) -> Answer {
    let handler = Handler::of(request.uri().path(), &app.telemetry_path);
    let settings = app.web.settings();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let user = settings.users.as_ref().and_then(|users| users.named(request.headers()));
    let user = user.map(str::to_owned);
    let refusal = refuse(app, &settings, handler, &request, peer).await;
    let mut answer = match (refusal, handler) {
        (Some(refusal), _) => refusal,
        (None, None) => line(StatusCode::NOT_FOUND, "there is nothing here"),
        (None, Some(handler)) => {
            let (methods, allow) = handler.methods();
            if methods.contains(request.method()) {
                handle(app, handler, request).await
            } else {
                let mut answer = line(StatusCode::METHOD_NOT_ALLOWED, &format!("this path takes {allow}"));
                set(&mut answer, ALLOW, allow);
                answer
            }
        }
    };
    // A browser must not guess that a label value is a script.
    set(&mut answer, X_CONTENT_TYPE_OPTIONS, "nosniff");
    // Neither a browser nor a proxy keeps what may be about people.
    if !matches!(handler, Some(Handler::Style | Handler::Dashboard)) {
        set(&mut answer, CACHE_CONTROL, "no-store");
    }
    answer.headers_mut().extend(settings.headers.iter().cloned());
    app.telemetry.http_request(handler.map_or("other", Handler::name), answer.status().as_u16());
    if !handler.is_some_and(Handler::is_health) {
        log.tell(peer, user.as_deref(), (&method, &path), &answer);
    }
    answer
}

/// The answer to a request that is refused before anything is done for it.
async fn refuse(
    app: &App,
    settings: &Settings,
    handler: Option<Handler>,
    request: &Request<Incoming>,
    peer: &Peer,
) -> Option<Answer> {
    if peer.transport == Transport::PlainWhereTls {
        // The first words are those of Go's server, which people search for.
        let words = "client sent an HTTP request to an HTTPS server: set scheme: https where the client is configured";
        let mut answer = line(StatusCode::BAD_REQUEST, words);
        set(&mut answer, CONNECTION, "close");
        return Some(answer);
    }
    // Health checks have no password, and are not to fail because others ask too much.
    if handler.is_some_and(Handler::is_health) {
        return None;
    }
    if let Some(refusal) = app.access.hosts.refuse(request, peer.transport) {
        return Some(refusal);
    }
    if handler == Some(Handler::Reload) && browser::is_cross_site(request.headers()) {
        return Some(line(StatusCode::FORBIDDEN, "a page of another site can't reload the configuration"));
    }
    admit(settings, request, peer).await
}

/// The answer to a request that the web configuration does not admit.
async fn admit(settings: &Settings, request: &Request<Incoming>, peer: &Peer) -> Option<Answer> {
    let is_known = settings.users.as_ref().is_some_and(|users| users.remember(request.headers()));
    if settings.limiter.as_ref().is_some_and(|limiter| !limiter.take(is_known, Instant::now())) {
        return Some(line(
            StatusCode::TOO_MANY_REQUESTS,
            "too many requests; rate_limit in the web configuration says how many",
        ));
    }
    match settings.users.as_ref()?.admit(request.headers(), peer.address).await {
        AuthResult::Granted => None,
        AuthResult::Denied => {
            let words = match request.headers().contains_key(AUTHORIZATION) {
                true => "unknown user or wrong password",
                false => "a user and a password are needed",
            };
            let mut answer = line(StatusCode::UNAUTHORIZED, words);
            set(&mut answer, WWW_AUTHENTICATE, "Basic realm=\"imstats_exporter\", charset=\"UTF-8\"");
            Some(answer)
        }
        AuthResult::Crowded => {
            let words = "too many passwords from your address are being checked; ask again in a second";
            let mut answer = line(StatusCode::TOO_MANY_REQUESTS, words);
            set(&mut answer, RETRY_AFTER, "1");
            Some(answer)
        }
    }
}

async fn handle(app: &App, handler: Handler, request: Request<Incoming>) -> Answer {
    match handler {
        Handler::Metrics => metrics(app, &request),
        Handler::StatusPage => {
            let mut answer = fresh("text/html; charset=utf-8", status::html(app));
            set(&mut answer, CONTENT_SECURITY_POLICY, POLICY);
            set(&mut answer, REFERRER_POLICY, "no-referrer");
            answer
        }
        Handler::Style => frames("text/css; charset=utf-8", vec![Bytes::from_static(status::STYLE.as_bytes())]),
        Handler::StatusReport => match status::json(app) {
            Ok(report) => fresh("application/json", report),
            Err(error) => line(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        },
        Handler::Dashboard => {
            let name = request.uri().path().strip_prefix(DASHBOARDS).and_then(|name| name.strip_suffix(".json"));
            match app.dashboards.iter().find(|(known, _)| Some(*known) == name) {
                Some((_, json)) => frames("application/json", vec![Bytes::from_static(json)]),
                None => line(StatusCode::NOT_FOUND, "there is no such dashboard"),
            }
        }
        Handler::Healthy => line(StatusCode::OK, "healthy"),
        Handler::Ready if app.ready.load(Ordering::Acquire) => line(StatusCode::OK, "ready"),
        Handler::Ready => line(StatusCode::SERVICE_UNAVAILABLE, "still loading the configuration and the store"),
        Handler::Reload => reload(app, request).await,
    }
}

fn metrics(app: &App, request: &Request<Incoming>) -> Answer {
    let Some(gzip) = negotiate::gzip(request.headers()) else {
        return line(StatusCode::NOT_ACCEPTABLE, "this page is sent plain or with gzip");
    };
    let (format, media_type) = negotiate::format(request.headers());
    let query = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
    let collect: Vec<_> = query.filter(|(key, _)| key == "collect[]").map(|(_, value)| value.into_owned()).collect();
    let collect: Vec<_> = collect.iter().map(String::as_str).collect();
    let known: Vec<_> = app.exposition.sources().collect();
    if let Some(unknown) = collect.iter().find(|name| !known.contains(name)) {
        let unknown = shown(unknown, 64);
        let words = format!("collect[]: there is no source `{unknown}`; there are {}", known.join(", "));
        return line(StatusCode::BAD_REQUEST, &words);
    }
    let scrape = app.exposition.scrape(format, gzip, (!collect.is_empty()).then_some(&collect));
    let mut answer = frames(media_type, scrape.frames);
    set(&mut answer, VARY, "Accept, Accept-Encoding");
    if gzip {
        set(&mut answer, CONTENT_ENCODING, "gzip");
    }
    answer
}

async fn reload(app: &App, request: Request<Incoming>) -> Answer {
    // By the Content-Length, before anything is read.
    if request.body().size_hint().lower() > MOST_BODY as u64 {
        return line(StatusCode::PAYLOAD_TOO_LARGE, "a reload takes no body");
    }
    let body = Limited::new(request.into_body(), MOST_BODY).collect();
    match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(_)) => {}
        Ok(Err(_)) => return line(StatusCode::PAYLOAD_TOO_LARGE, "a reload takes no body"),
        Err(_) => return line(StatusCode::REQUEST_TIMEOUT, "the body did not come"),
    }
    let Some(reload) = &app.reload else {
        return line(
            StatusCode::FORBIDDEN,
            "reloading over HTTP is off: start with --web.enable-lifecycle, or send SIGHUP",
        );
    };
    // In a task of its own: a client that goes away must not stop it halfway.
    match tokio::spawn(reload()).await {
        Ok(Ok(())) => line(StatusCode::OK, "the configuration was loaded"),
        Ok(Err(reason)) => line(StatusCode::BAD_REQUEST, &reason),
        Err(_) => line(StatusCode::INTERNAL_SERVER_ERROR, "the reload broke off; the log tells why"),
    }
}
