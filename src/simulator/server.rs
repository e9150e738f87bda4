//! The HTTP server: takes a request apart, lets faults have their way, and hands the rest to its platform.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Collected, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::World;
use super::answer::{Answer, ApiRequest, Payload, decode_query};
use super::apis::{APIS, Platform, find, platform_of};
use super::faults::Effect;
use super::journal::{LoggedCall, UNKNOWN};
use super::{desk, distort, feishu, subject, wecom};
use crate::day::Days;

/// No request of any platform is longer.
const LONGEST_BODY: usize = 1 << 20;

/// Accepts connections until it is dropped, which ends them all.
pub(super) async fn serve(listener: TcpListener, world: Arc<World>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: it passes when connections end.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        // Without this, small answers on a kept connection wait for the client's acknowledgement.
        let _ = stream.set_nodelay(true);
        let world = Arc::clone(&world);
        connections.spawn(async move {
            let service = service_fn(move |request| respond(Arc::clone(&world), request));
            let connection =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
            // It ends with an error when the client goes away or a fault breaks it: both are what was wanted.
            let _ = connection.await;
        });
    }
}

async fn respond(world: Arc<World>, request: Request<Incoming>) -> Result<Response<Payload>, Infallible> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LONGEST_BODY).collect().await.map(Collected::to_bytes).unwrap_or_default();
    let now = world.clock.now();
    let found = find(head.uri.path());
    world.journal.count(found.as_ref().map(|(place, _)| *place));
    let Some((place, ids)) = found else {
        let answer = nowhere(head.uri.path());
        world.journal.write(LoggedCall {
            api: UNKNOWN,
            subject: head.uri.path().to_owned(),
            from: None,
            to: None,
            refused: answer.refused,
            at: now,
        });
        return Ok(answer.into_response());
    };
    let received = ApiRequest {
        method: head.method,
        ids,
        query: decode_query(head.uri.query().unwrap_or_default()),
        headers: head.headers,
        json: serde_json::from_slice(&body).ok(),
        now,
    };
    let (subjects, days) = subject::of(APIS[place].path, &received);
    let effect = world.faults.take(&APIS[place], &subjects);
    if let Some(Effect::Delay(duration)) = effect {
        tokio::time::sleep(duration).await;
    }
    let hangs = matches!(effect, Some(Effect::Hang));
    let answer = answer(&world, place, &received, &subjects, effect);
    world.journal.write(logged(place, &subjects, days, &received, &answer));
    if hangs {
        std::future::pending::<()>().await;
    }
    Ok(answer.into_response())
}

fn logged(place: usize, subjects: &[String], days: Option<Days>, received: &ApiRequest, answer: &Answer) -> LoggedCall {
    LoggedCall {
        api: APIS[place].path,
        subject: subjects.join(","),
        from: days.map(|days| days.first),
        to: days.map(|days| days.last),
        refused: answer.refused,
        at: received.now,
    }
}

/// What the platform of the API at `place` answers, as a fault leaves it.
fn answer(world: &World, place: usize, received: &ApiRequest, subjects: &[String], effect: Option<Effect>) -> Answer {
    let platform = APIS[place].platform;
    let honest = || match platform {
        Platform::Wecom => wecom::answer(world, place, received),
        Platform::TencentDesk => desk::answer(world, place, received),
        Platform::Feishu => feishu::answer(world, place, received),
    };
    match effect {
        None => honest(),
        Some(Effect::Refuse(code)) => refuse(place, code),
        Some(Effect::CodeAsText(0)) => honest().with_code_as_text(),
        Some(Effect::CodeAsText(code)) => refuse(place, code).with_code_as_text(),
        Some(Effect::ByteOrderMark) => honest().with_byte_order_mark(),
        Some(Effect::Empty) => {
            Answer { status: 200, headers: Vec::new(), body: Bytes::new(), refused: Some(0), broken: false }
        }
        Some(Effect::Html(status)) => Answer::html(status, "the platform is down"),
        Some(Effect::TooManyRequests(reset)) => too_many(platform, reset),
        Some(Effect::Reset) => Answer { broken: true, refused: Some(0), ..honest() },
        Some(Effect::Truncate) => {
            let whole = honest();
            Answer { body: whole.body.slice(..whole.body.len() / 2), refused: Some(0), ..whole }
        }
        Some(Effect::Raw { status, headers, body }) => {
            Answer { status, headers, body: Bytes::from(body), refused: Some(i64::from(status)), broken: false }
        }
        Some(Effect::EmptyList) => distort::empty(APIS[place].path, honest()),
        Some(Effect::FirstEntry(entry)) => distort::with_first(APIS[place].path, entry, honest()),
        Some(Effect::LongestList(most)) => match subjects.len() <= most {
            true => honest(),
            false => refuse(place, distort::TOO_LONG),
        },
        Some(Effect::Hang) => Answer { refused: Some(0), ..Answer::html(504, "never sent") },
        // Those on figures are never taken.
        Some(
            Effect::Delay(_)
            | Effect::NoData(_)
            | Effect::NoDataBefore(_)
            | Effect::ZerosBefore(_)
            | Effect::Restate { .. },
        ) => honest(),
    }
}

/// The refusal with `code` of the API at `place`.
fn refuse(place: usize, code: i64) -> Answer {
    match APIS[place].platform {
        Platform::Wecom => wecom::envelope(APIS[place].path, Err(wecom::refuse(code))),
        Platform::TencentDesk => desk::envelope(Err(desk::refuse(code))),
        Platform::Feishu => feishu::envelope(Err(feishu::refuse(code))),
    }
}

fn too_many(platform: Platform, reset: Option<u32>) -> Answer {
    let (mut answer, header) = match platform {
        Platform::Feishu => (feishu::envelope(Err(feishu::refuse(99_991_400))), "x-ogw-ratelimit-reset"),
        // Their pages know no 429: it is of a gateway before them, and so is the header.
        Platform::Wecom | Platform::TencentDesk => (Answer::html(429, "Too Many Requests"), "retry-after"),
    };
    if let Some(seconds) = reset {
        answer.headers.push((header.to_owned(), seconds.to_string()));
    }
    answer
}

/// What is answered on a path that is no API.
fn nowhere(path: &str) -> Answer {
    match platform_of(path) {
        Some(Platform::TencentDesk) => desk::envelope(Err(desk::refuse(60009))),
        Some(Platform::Feishu) => {
            let headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
            let body = Bytes::from_static(b"404 page not found");
            Answer { status: 404, headers, body, refused: Some(404), broken: false }
        }
        Some(Platform::Wecom) | None => Answer::html(404, "Not Found"),
    }
}
