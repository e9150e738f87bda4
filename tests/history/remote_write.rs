//! Remote write against a receiver that is not always willing.

use std::collections::BTreeMap;
use std::time::Duration;

use imstats_exporter::client::Proxies;
use imstats_exporter::history::{
    Authorization, Receiver, ReceiverError, RemoteWriteError, SendProgress, export_remote_write,
};

use super::export::{openmetrics, parse};
use super::receiver::ReceiverServer;
use super::{Past, days};
use crate::harness::soon;
use crate::wire::Wire;

const UNTIL: &str = "2026-11-20T12:00:00+08:00";

/// The samples of the text, with the labels in the order of their names and the time in milliseconds.
fn sorted(text: &str) -> BTreeMap<String, Vec<(i64, f64)>> {
    let series = parse(text).into_iter().map(|(key, samples)| {
        let (name, labels) = key.trim_end_matches('}').split_once('{').unwrap();
        let mut labels: Vec<_> = labels.split("\",").map(|label| label.trim_end_matches('"')).collect();
        labels.sort_unstable();
        let labels: Vec<_> = labels.iter().map(|label| format!("{label}\"")).collect();
        (format!("{name}{{{}}}", labels.join(",")), samples.iter().map(|(time, value)| (time * 1000, *value)).collect())
    });
    series.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_down_for_a_while_gets_everything_once() {
    let past = Past::new(20).await;
    let span = days("2026-10-01", "2026-11-19");
    past.fetch_all(span).await;
    let server = ReceiverServer::start(&[(503, None), (429, Some("0")), (500, Some("0"))]).await;
    let receiver =
        Receiver::new(&server.url("me:s3cret@"), Authorization::None, Proxies::default(), Duration::from_millis(1))
            .unwrap();
    let sent = SendProgress::default();
    let labels = [("job", "imstats")];
    let tally = export_remote_write(past.history(span, UNTIL, &labels), &receiver, &sent).await.unwrap();
    let received = server.received.lock().unwrap();
    assert_eq!(received.series, sorted(&openmetrics(&past, span, UNTIL, &labels)));
    assert_eq!(received.requests as u64, sent.batches() + 3);
    assert!(
        sent.batches() > 3 && received.largest.0 <= 1 << 20 && received.largest.1 <= 1000,
        "{:?}",
        received.largest
    );
    let samples: usize = received.series.values().map(Vec::len).sum();
    assert_eq!((samples as u64, received.series.len() as u64), (sent.samples(), tally.series));
    assert_eq!(tally.samples, sent.samples());
    assert_eq!(received.authorization.as_deref(), Some("Basic bWU6czNjcmV0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_good_is_not_sent_again_and_tells_no_secret() {
    let past = Past::new(4).await;
    let span = days("2026-11-18", "2026-11-19");
    past.fetch("wecom_contact", span).await;
    for (status, hint) in
        [(400, "out_of_order_time_window"), (401, "bearer token"), (404, "enable-remote-write-receiver")]
    {
        let password = || "s3cret-out-of-order".to_owned().into();
        let basic = Authorization::Basic { username: "me".to_owned(), password: password() };
        for (authorization, header) in [
            (Authorization::Bearer(password()), "Bearer s3cret-out-of-order"),
            (basic, "Basic bWU6czNjcmV0LW91dC1vZi1vcmRlcg=="),
        ] {
            let server = ReceiverServer::start(&[(status, None)]).await;
            let receiver =
                Receiver::new(&server.url("me:hidden@"), authorization, Proxies::default(), Duration::from_millis(1))
                    .unwrap();
            let sending =
                export_remote_write(past.history(span, UNTIL, &[]), &receiver, &SendProgress::default()).await;
            let error = sending.unwrap_err();
            let RemoteWriteError::Receiver(ReceiverError::Refused { status: told, .. }) = &error else {
                panic!("{error}")
            };
            assert_eq!(*told, status);
            let text = format!("{error} {error:?}");
            assert!(text.contains(hint) && text.contains("sent with "), "{text}");
            for secret in ["s3cret", "hidden", "czNjcmV0"] {
                assert!(!text.contains(secret), "{header}: {text}");
            }
            let received = server.received.lock().unwrap();
            assert_eq!((received.requests, received.authorization.as_deref()), (1, Some(header)));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_named_in_each_request() {
    let past = Past::new(4).await;
    let span = days("2026-11-18", "2026-11-19");
    past.fetch("wecom_contact", span).await;
    let server = ReceiverServer::start(&[]).await;
    let receiver =
        Receiver::new(&server.url(""), Authorization::None, Proxies::default(), Duration::from_millis(1)).unwrap();
    let receiver = receiver.with_header("X-Scope-OrgID", "acme").unwrap();
    export_remote_write(past.history(span, UNTIL, &[]), &receiver, &SendProgress::default()).await.unwrap();
    assert_eq!(server.received.lock().unwrap().tenant.as_deref(), Some("acme"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheme_that_is_wrong_ends_it_at_once() {
    let past = Past::new(4).await;
    let span = days("2026-11-18", "2026-11-19");
    past.fetch("wecom_contact", span).await;
    let server = ReceiverServer::start(&[]).await;
    let url = server.url("").replace("http://", "https://");
    let receiver = Receiver::new(&url, Authorization::None, Proxies::default(), Duration::from_mins(1)).unwrap();
    let sent = SendProgress::default();
    let sending = export_remote_write(past.history(span, UNTIL, &[]), &receiver, &sent);
    let error = soon(sending).await.unwrap_err().to_string();
    assert!(error.contains("no connection to https://") && error.contains("http instead of https"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_vouches_for_ends_it_at_once() {
    let past = Past::new(4).await;
    let span = days("2026-11-18", "2026-11-19");
    past.fetch("wecom_contact", span).await;
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut wire = Wire::secured(&signed.cert.pem(), &signed.signing_key.serialize_pem());
    wire.leads_to(past.simulator.address());
    let url = format!("{}/api/v1/write", wire.base()).replace("127.0.0.1", "localhost");
    let receiver = Receiver::new(&url, Authorization::None, Proxies::default(), Duration::from_mins(1)).unwrap();
    let sent = SendProgress::default();
    let sending = export_remote_write(past.history(span, UNTIL, &[]), &receiver, &sent);
    let error = soon(sending).await.unwrap_err().to_string();
    assert!(error.contains("no connection to https://localhost") && error.contains("SSL_CERT_FILE"), "{error}");
}
