//! The page of the built program, as Prometheus and other clients read it.

use std::collections::BTreeSet;

use crate::exporter::{Exporter, program};
use crate::lint::{Dialect, read};
use crate::tools;

/// The demo, with figures of all sources.
async fn demo() -> Exporter {
    let exporter = Exporter::start(program(&["demo", "--web.listen-address", "127.0.0.1:0"])).await;
    exporter.until_settled().await;
    exporter
}

/// The page in the format that this header asks for.
async fn page(exporter: &Exporter, accept: &str) -> (String, String) {
    let answer = exporter.send(&format!("GET /metrics HTTP/1.1\r\nAccept: {accept}")).await;
    assert_eq!((answer.status, answer.header("vary")), (200, Some("Accept, Accept-Encoding")));
    (answer.header("content-type").unwrap().to_owned(), answer.body)
}

/// The lines with platforms' figures, which do not change from one scrape to the next.
fn figures(page: &str) -> BTreeSet<&str> {
    let of_platform = |line: &&str| ["wecom_", "tencent_", "feishu_"].iter().any(|prefix| line.starts_with(prefix));
    page.lines().filter(of_platform).collect()
}

#[tokio::test]
async fn both_formats_are_as_prometheus_wants_them() {
    let exporter = demo().await;
    let (kind, text) = page(&exporter, "text/plain").await;
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    let (kind, open) = page(&exporter, "application/openmetrics-text; version=1.0.0, text/plain; q=0.5").await;
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores");
    let families = [(&text, Dialect::Text), (&open, Dialect::OpenMetrics)].map(|(page, dialect)| {
        let families = read(page, dialect).unwrap();
        for family in &families {
            assert!(!family.help.is_empty() && !family.samples.is_empty(), "{}", family.name);
        }
        families
    });
    assert_eq!(families[0].len(), families[1].len());
    for prefix in ["wecom_contact_", "wecom_groupchat_owner_", "wecom_kf_account_", "tencent_desk_", "feishu_"] {
        let of_source = families[0].iter().filter(|family| family.name.starts_with(prefix));
        let figures = of_source.flat_map(|family| &family.samples);
        assert!(figures.clone().count() > 0, "{prefix}");
        assert!(figures.clone().all(|sample| sample.labels["account"] == "acme" && sample.value.is_finite()));
        assert!(figures.clone().all(|sample| sample.name.starts_with(prefix)));
    }
    assert!(families[0].iter().all(|family| family.kind != "info"));
    assert_eq!(figures(&text), figures(&open));
    if tools::has("promtool") {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.txt");
        std::fs::write(&path, &text).unwrap();
        let (content, printed) = tools::run("promtool", vec!["check".into(), "metrics".into()], Some(path)).await;
        assert!(content && printed.is_empty(), "{printed}");
    }
}

#[tokio::test]
async fn every_client_unpacks_the_whole_page() {
    let exporter = demo().await;
    let (_, text) = page(&exporter, "text/plain").await;
    let expected = figures(&text);
    assert!(expected.len() > 500);
    let url = exporter.url("/metrics");
    let whole = |who: &str, page: &str| {
        assert!(page.contains("process_resident_memory_bytes") && figures(page) == expected, "{who} read {page}");
    };
    let packed = reqwest::get(&url).await.unwrap();
    // reqwest asks for gzip, and takes the header away when it has unpacked it.
    assert!(packed.headers().get("content-length").is_none());
    whole("reqwest", &packed.text().await.unwrap());
    if tools::has("curl") {
        let flags = ["-sS", "--compressed", "--noproxy", "*", "-w", "%{size_download}", &url];
        let (_, page) = tools::run("curl", flags.map(str::to_owned).into(), None).await;
        whole("curl", &page);
        let received: usize = page.lines().last().unwrap().parse().unwrap();
        assert!(received * 4 < text.len(), "{received} of {} bytes: not compressed", text.len());
    }
    if tools::has("python3") {
        let script = "import gzip, sys, urllib.request as u\n\
            a = u.build_opener(u.ProxyHandler({})).open(u.Request(sys.argv[1], headers={'Accept-Encoding': 'gzip'}))\n\
            assert a.headers['Content-Encoding'] == 'gzip'\n\
            body = a.read()\n\
            assert len(body) == int(a.headers['Content-Length'])\n\
            print(gzip.decompress(body).decode())";
        let (_, page) = tools::run("python3", vec!["-c".into(), script.into(), url.clone()], None).await;
        whole("Python", &page);
    }
    if tools::has("chromium") {
        let folder = tempfile::tempdir().unwrap();
        let dom = tools::browse(folder.path(), &["--dump-dom"], &url).await;
        whole("Chromium", &dom);
    }
}
