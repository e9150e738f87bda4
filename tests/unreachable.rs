//! Platforms that can't be reached, do not answer, or answer with something that is not theirs.

use std::time::Duration;

use imstats_exporter::simulator::{Effect, Fault};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::*;
use crate::ill::*;
use crate::wire::{Wire, Words};

/// Each platform at `base`, where it does not answer: it is down in these words.
async fn is_down_at(base: &str, more: &str, words: &str) {
    let well = well().await;
    for platform in PLATFORMS {
        let mut stage = Stage::with(40, MORNING, |simulator| moved(simulator, &platform, base, more)).await;
        stage.wake_slowly().await;
        is_down(&stage, &platform, words);
        only_the_others(&stage, &platform, well, words);
    }
}

fn is_down(stage: &Stage, platform: &Platform, words: &str) {
    let error = stage.error(platform.source);
    assert!(error.contains(words), "{}: {words} in {error}", platform.name);
    assert!(!error.contains("access_token") && !error.contains("://"), "{error}");
    assert!(!stage.up(platform.source), "{}", platform.name);
    assert_eq!(stage.targets(platform.source), [0, 0, 0, 1, 0], "{}", platform.name);
    let unavailable = stage.page().all("imstats_api_requests_total{outcome=\"unavailable\"}").iter().sum::<f64>();
    assert_eq!(unavailable, 3.0, "{} {words}: it is tried three times", platform.name);
}

#[tokio::test]
async fn nobody_listens_there() {
    // Port 1.
    is_down_at("http://127.0.0.1:1", "", "cannot connect: ").await;
}

#[tokio::test]
async fn the_name_is_not_known() {
    // A label of 64 letters is refused before anybody is asked.
    is_down_at(&format!("https://{}.invalid", "a".repeat(64)), "", "cannot connect: ").await;
}

#[tokio::test]
async fn connecting_takes_for_ever() {
    // The kernel takes no more connections for a queue that is full.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        queue.push(stream);
    }
    is_down_at(&format!("http://{address}"), "connect_timeout: 100ms", "no connection within connect_timeout").await;
}

/// An authority.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

#[tokio::test]
async fn its_certificate_is_not_trusted() {
    let well = well().await;
    let (ours, folder) = (authority(), tempfile::tempdir().unwrap());
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, ours.pem()).unwrap();
    let trusted = format!("ca_file: \"{}\"", file.display());
    let certificate = |name: &str, until: i32| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(until, 1, 1);
        (params.signed_by(&key, &ours).unwrap().pem(), key.serialize_pem())
    };
    for platform in PLATFORMS {
        for (more, name, until, words) in [
            ("", "127.0.0.1", 2100, "UnknownIssuer"),
            (trusted.as_str(), "platform.example", 2100, "not valid for name"),
            (trusted.as_str(), "127.0.0.1", 2020, "expired"),
        ] {
            let (certificate, key) = certificate(name, until);
            let (stage, _wire) = over(Wire::secured(&certificate, &key), &platform, more).await;
            is_down(&stage, &platform, words);
            assert!(stage.error(platform.source).contains("ca_file"), "{}", stage.error(platform.source));
            only_the_others(&stage, &platform, well, words);
        }
        let (certificate, key) = certificate("127.0.0.1", 2100);
        let (stage, _wire) = over(Wire::secured(&certificate, &key), &platform, &trusted).await;
        assert_eq!(stage.page().figures(), *well, "{}: {}", platform.name, stage.error(platform.source));
    }
}

#[tokio::test]
async fn a_ca_file_that_is_renewed_is_taken_up_by_a_reload() {
    let well = well().await;
    let (former, ours, folder) = (authority(), authority(), tempfile::tempdir().unwrap());
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, former.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &ours).unwrap().pem();
    let platform = PLATFORMS[0];
    let wire = Wire::secured(&certificate, &key.serialize_pem());
    let (mut stage, _wire) = over(wire, &platform, &format!("ca_file: \"{}\"", file.display())).await;
    is_down(&stage, &platform, "");
    std::fs::write(&file, ours.pem()).unwrap();
    stage.context.client.reload().await;
    recovers(&mut stage, &platform, well, "with the new authority").await;
}

#[tokio::test]
async fn it_is_not_spoken_to_in_tls_where_it_speaks_plainly() {
    let well = well().await;
    for platform in PLATFORMS {
        let mut stage = Stage::with(40, MORNING, |simulator| {
            moved(simulator, &platform, &simulator.base_url().replace("http:", "https:"), "")
        })
        .await;
        stage.wake_slowly().await;
        is_down(&stage, &platform, "cannot connect: ");
        only_the_others(&stage, &platform, well, "");
    }
}

#[tokio::test]
async fn it_does_not_answer_in_time() {
    let well = well().await;
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n{";
    for (when, words) in [
        ("no first byte", Words::for_ever("", "", Duration::from_mins(1))),
        ("a header for ever", Words::for_ever("HTTP/1.1 200 OK\r\nx: ", "x", Duration::from_millis(20))),
        ("a byte at a time", Words::for_ever(head, " ", Duration::from_millis(20))),
    ] {
        for platform in PLATFORMS {
            let (stage, wire) = over(Wire::new(platform.api, words.clone()), &platform, "timeout: 200ms").await;
            is_down(&stage, &platform, "no whole answer within timeout");
            assert_eq!(wire.answered(), 3, "{when}");
            only_the_others(&stage, &platform, well, when);
        }
    }
}

#[tokio::test]
async fn it_is_tried_again_at_the_next_waking() {
    let well = well().await;
    let redirect = |status| Effect::Raw {
        status,
        headers: vec![("location".to_owned(), "http://127.0.0.1:1/elsewhere".to_owned())],
        body: Vec::new(),
    };
    for (effect, words) in [
        (Effect::Reset, "the exchange broke off"),
        (Effect::Html(500), "the server failed"),
        (Effect::Html(502), "the server failed"),
        (Effect::Html(404), "HTTP 404 and no JSON"),
        (redirect(302), "unexpected redirect"),
        (redirect(307), "unexpected redirect"),
        (raw("{}"), "is base_url"),
        (raw("null"), "is base_url"),
    ] {
        for platform in PLATFORMS {
            let mut stage = Stage::new(MORNING, WELL).await;
            stage.every(platform.api, effect.clone());
            stage.wake_slowly().await;
            is_down(&stage, &platform, words);
            assert_eq!(stage.calls(platform.api), 3);
            only_the_others(&stage, &platform, well, words);
            recovers(&mut stage, &platform, well, words).await;
        }
    }
}

#[tokio::test]
async fn too_many_requests_is_a_pause_of_the_platforms_length_or_ours() {
    let well = well().await;
    for platform in PLATFORMS {
        for (reset, pause) in [(Some(7), 7), (Some(0), 0), (None, 60)] {
            let mut stage = Stage::new(MORNING, WELL).await;
            stage.fault(Fault::on(platform.api, Effect::TooManyRequests(reset)).times(1));
            stage.wake_slowly().await;
            let asked: Vec<_> =
                stage.log(platform.api).iter().map(|call| call.at.duration_since(at(MORNING))).collect();
            assert_eq!(asked.len(), 2, "{} {reset:?}", platform.name);
            assert_eq!(asked[1].as_secs(), pause, "{} {reset:?}", platform.name);
            assert_eq!(stage.page().figures(), *well, "{} {reset:?}", platform.name);
        }
    }
}

#[tokio::test]
async fn no_token_is_had() {
    let well = well().await;
    for platform in PLATFORMS.iter().filter(|platform| platform.first != platform.api) {
        for (effect, logins, words) in [
            (Effect::Html(502), 3, "the server failed"),
            (Effect::Reset, 3, "the exchange broke off"),
            (Effect::Truncate, 1, "not JSON"),
            (raw("{\"errcode\": 0, \"code\": 0}"), 1, "token is not a text"),
            (
                raw("{\"errcode\": 0, \"code\": 0, \"access_token\": \"t\", \"tenant_access_token\": \"t\"}"),
                1,
                "is not a positive number",
            ),
        ] {
            let mut stage = Stage::new(MORNING, WELL).await;
            stage.every(platform.first, effect.clone());
            stage.wake_slowly().await;
            assert!(stage.error(platform.source).contains(words), "{effect:?}: {}", stage.error(platform.source));
            assert_eq!((stage.up(platform.source), stage.calls(platform.first)), (false, logins), "{effect:?}");
            assert_eq!((stage.calls(platform.api), stage.targets(platform.source)), (0, [0, 0, 0, 1, 0]), "{effect:?}");
            only_the_others(&stage, platform, well, words);
            recovers(&mut stage, platform, well, words).await;
        }
    }
}
