//! `--web.config.file`: judged as Prometheus' own tool judges it, and in use.

use std::process::Output;

use imstats_exporter::http::WebConfig;

use crate::exporter::{Site, program};
use crate::tools;

/// What we say of a file, and what Prometheus' tool says.
#[derive(Clone, Copy)]
enum Verdict {
    Good,
    Bad,
    /// We refuse it, the tool does not: for this reason.
    Stricter(&'static str),
    /// The format has it, but not yet the tool of Debian 12.
    Newer,
}
use Verdict::{Bad, Good, Newer, Stricter};

/// Files that are good or bad without TLS; `$hash` stands for a bcrypt hash.
const PLAIN: &[(&str, Verdict)] = &[
    ("", Good),
    ("# nothing\n", Good),
    ("{}", Good),
    ("tls_server_config: {}", Good),
    ("tls_server_config: {cert_file: cert.pem, key_file: key.pem}", Good),
    ("tls_server_config: {cert_file: cert.pem}", Bad),
    ("tls_server_config: {key_file: key.pem}", Bad),
    ("tls_server_config: {cert_file: cert.pem, key_file: cert.pem}", Bad),
    ("tls_server_config: {cert_file: key.pem, key_file: key.pem}", Bad),
    ("tls_server_config: {cert_file: nothing.pem, key_file: key.pem}", Bad),
    ("tls_server_config: {cert_file: text.txt, key_file: key.pem}", Bad),
    ("tls_server_config: {cert_file: cert.pem, key_file: other_key.pem}", Bad),
    ("tls_server_config: {client_auth_type: NoClientCert}", Bad),
    ("tls_server_config: {min_version: TLS12}", Stricter("a file that names a TLS version does not mean plain HTTP")),
    ("tls_server_config: [cert.pem]", Bad),
    ("basic_auth_users: {ann: $hash}", Good),
    ("basic_auth_users: {ann: secret}", Bad),
    ("basic_auth_users: {ann: ''}", Bad),
    ("basic_auth_users: {ann: $2a$02$UOVtfDU2F8LJaQHB3PsVZO7M7jOwFWgDlG3nlbMzoCnA8RDEOtI8m}", Bad),
    ("basic_auth_users: {}", Good),
    ("basic_auth_users:", Good),
    ("basic_auth_users: [ann]", Bad),
    ("basic_auth_users: {ann: $hash}\nbasic_auth_users: {bob: $hash}", Bad),
    ("http_server_config: {http2: false}", Good),
    ("http_server_config: {http2: maybe}", Bad),
    ("http_server_config: {headers: {X-Frame-Options: deny, X-Content-Type-Options: nosniff}}", Good),
    ("http_server_config: {headers: {Strict-Transport-Security: max-age=1, X-XSS-Protection: 1; mode=block}}", Good),
    ("http_server_config: {headers: {X-Frame-Options: allow}}", Bad),
    ("http_server_config: {headers: {X-Frame-Options: ''}}", Bad),
    ("http_server_config: {headers: {x-frame-options: deny}}", Bad),
    ("http_server_config: {headers: {Server: x}}", Bad),
    ("http_server_config: {headers: {X-XSS-Protection: \"a\\nb\"}}", Stricter("no header can hold a line feed")),
    ("rate_limit: {interval: 1s, burst: 20}", Newer),
    ("weather: fine", Bad),
    ("tls_server_config: {weather: fine}", Bad),
    ("{", Bad),
    ("a sentence", Bad),
];

/// The same with what stands in `tls_server_config` beside certificate and key.
const TLS: &[(&str, Verdict)] = &[
    ("min_version: TLS12", Good),
    ("min_version: TLS13, max_version: TLS13", Good),
    ("min_version: TLS13, max_version: TLS12", Stricter("no client could connect")),
    ("min_version: TLS10", Stricter("rustls speaks TLS 1.2 and 1.3 only")),
    ("min_version: SSL30", Bad),
    ("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256]", Good),
    ("cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]", Stricter("rustls has no such weak suite")),
    ("cipher_suites: [ROT13]", Bad),
    ("prefer_server_cipher_suites: false", Good),
    ("curve_preferences: [X25519, CurveP256, CurveP384]", Good),
    ("curve_preferences: [CurveP521]", Stricter("ring does not have it")),
    ("curve_preferences: [Curve1]", Bad),
    ("client_auth_type: RequireAndVerifyClientCert, client_ca_file: cert.pem", Good),
    ("client_auth_type: VerifyClientCertIfGiven, client_ca_file: cert.pem", Good),
    ("client_auth_type: RequireAndVerifyClientCert", Stricter("it would take a certificate of any public authority")),
    ("client_auth_type: RequireAndVerifyClientCert, client_ca_file: key.pem", Stricter("it holds no authority")),
    ("client_auth_type: RequireAnyClientCert", Stricter("it would take any certificate")),
    ("client_auth_type: RequestClientCert", Stricter("it would take any certificate")),
    ("client_auth_type: Maybe", Bad),
    ("client_ca_file: cert.pem", Bad),
    ("client_auth_type: RequireAndVerifyClientCert, client_ca_file: cert.pem, client_allowed_sans: [a.example]", Newer),
];

/// A certificate for this machine, with its key.
pub(crate) fn certificate(site: &Site) -> String {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    site.write("cert.pem", &signed.cert.pem());
    site.write("key.pem", &signed.signing_key.serialize_pem());
    signed.cert.pem()
}

pub(crate) fn hash(password: &str) -> String {
    // The cheapest that bcrypt has.
    bcrypt::hash(password, 4).unwrap()
}

#[tokio::test]
async fn files_are_taken_and_refused_as_promtool_does() {
    let site = Site::new().await;
    certificate(&site);
    site.write("other_key.pem", &rcgen::KeyPair::generate().unwrap().serialize_pem());
    site.write("text.txt", "no certificate");
    let plain = PLAIN.iter().map(|(text, verdict)| (text.replace("$hash", &hash("right")), *verdict));
    let tls = TLS.iter().map(|(text, verdict)| {
        (format!("tls_server_config: {{cert_file: cert.pem, key_file: key.pem, {text}}}"), *verdict)
    });
    let cases: Vec<_> = plain.chain(tls).collect();
    let mut arguments = vec!["check".to_owned(), "web-config".to_owned()];
    for (n, (text, verdict)) in cases.iter().enumerate() {
        let path = site.write(&format!("web{n}.yml"), text);
        let ours = WebConfig::load(&path);
        let reason = if let Stricter(reason) = verdict { reason } else { "" };
        assert_eq!(ours.is_ok(), matches!(verdict, Good | Newer), "{text}: {ours:?} {reason}");
        arguments.push(path.to_str().unwrap().to_owned());
    }
    if tools::has("promtool") {
        let (_, printed) = tools::run("promtool", arguments, None).await;
        for (n, (text, verdict)) in cases.iter().enumerate() {
            let line = printed.lines().find(|line| line.contains(&format!("/web{n}.yml "))).unwrap();
            match verdict {
                Good | Stricter(_) => assert!(line.ends_with(" SUCCESS"), "{text}: {line}"),
                Bad => assert!(line.contains(" FAILED"), "{text}: {line}"),
                // Later versions know it.
                Newer => {}
            }
        }
    }
}

#[tokio::test]
async fn the_program_does_not_start_with_a_bad_file_and_says_what_is_wrong() {
    let site = Site::new().await;
    let config = site.write("exporter.yaml", "wecom: [{$wecom, contact: {$fast}}]");
    for (text, part) in [
        ("basic_auth_users: {ann: secret}", "basic_auth_users.ann: is not a bcrypt hash"),
        ("tls_server_config: {cert_file: nothing.pem, key_file: key.pem}", "nothing.pem: No such file"),
        ("weather: fine", "web.yml:1:1: weather: unknown key `weather`"),
    ] {
        let web = site.write("web.yml", text);
        for command in ["serve", "check"] {
            let flags = ["--config.file", config.to_str().unwrap(), "--web.config.file", web.to_str().unwrap()];
            let mut program = program(&[command, "--storage.path", "", "--web.listen-address", "127.0.0.1:0"]);
            let Output { status, stderr, .. } = program.args(flags).output().unwrap();
            let words = String::from_utf8(stderr).unwrap();
            assert_eq!(status.code(), Some(1), "{words}");
            assert!(words.contains("--web.config.file") && words.contains(part), "{part} in {words}");
            assert!(!words.contains("secret}"), "{words}");
        }
    }
}

#[tokio::test]
async fn tls_and_a_password_guard_all_but_the_health_paths() {
    let site = Site::new().await;
    let authority = reqwest::Certificate::from_pem(certificate(&site).as_bytes()).unwrap();
    let text = format!(
        "tls_server_config: {{cert_file: cert.pem, key_file: key.pem}}\nbasic_auth_users: {{ann: {}}}\n\
         http_server_config: {{headers: {{Strict-Transport-Security: max-age=31536000}}}}",
        hash("right")
    );
    let web = site.write("web.yml", &text);
    let exporter = site.exporter(&["--web.config.file", web.to_str().unwrap()]).await;
    let port = exporter.addresses()[0].port();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();
    let get = |path: &str, password: Option<&str>| {
        let request = client.get(format!("https://localhost:{port}{path}"));
        password.map_or(request.try_clone().unwrap(), |password| request.basic_auth("ann", Some(password))).send()
    };
    let page = get("/metrics", Some("right")).await.unwrap();
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["strict-transport-security"], "max-age=31536000");
    assert!(page.text().await.unwrap().ends_with('\n'));
    for (path, password, status) in [
        ("/metrics", None, 401),
        ("/metrics", Some("wrong"), 401),
        ("/", None, 401),
        ("/-/healthy", None, 200),
        ("/-/ready", None, 200),
        ("/", Some("right"), 200),
    ] {
        assert_eq!(get(path, password).await.unwrap().status(), status, "{path} {password:?}");
    }
    let plain = exporter.get("/metrics").await;
    assert_eq!(plain.status, 400);
    assert!(plain.body.contains("set scheme: https") && !plain.body.contains("imstats_"), "{}", plain.body);
    if tools::has("curl") {
        let url = format!("https://localhost:{port}/metrics");
        let authority = site.folder().join("cert.pem").display().to_string();
        let flags =
            ["-sS", "--fail", "--compressed", "--noproxy", "*", "--cacert", &authority, "-u", "ann:right", &url];
        let (content, page) = tools::run("curl", flags.map(str::to_owned).into(), None).await;
        assert!(content && page.contains("imstats_build_info"), "{page}");
    }
}

#[tokio::test]
async fn forty_right_passwords_at_once_are_all_let_in() {
    let site = Site::new().await;
    // Dear enough that all wait for it.
    let hash = bcrypt::hash("right", 7).unwrap();
    let web = site.write("web.yml", &format!("basic_auth_users: {{ann: {hash}}}"));
    let exporter = site.exporter(&["--web.config.file", web.to_str().unwrap()]).await;
    let url = exporter.url("/metrics");
    let asking: tokio::task::JoinSet<_> = (0..40)
        .map(|_| {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let request = client.get(&url).basic_auth("ann", Some("right"));
            async move { request.send().await.unwrap().status().as_u16() }
        })
        .collect();
    assert_eq!(asking.join_all().await, [200; 40]);
}

#[tokio::test]
async fn the_access_log_tells_who_read_what_and_no_password() {
    let site = Site::new().await;
    let web = site.write("web.yml", &format!("basic_auth_users: {{ann: {}}}", hash("right")));
    let flags = ["--web.config.file", web.to_str().unwrap(), "--web.access-log"];
    let exporter = site.exporter(&flags).await;
    let ask = |path: &str, user: &str, password: &str| {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.get(exporter.url(path)).basic_auth(user, Some(password)).send()
    };
    assert_eq!(ask("/metrics?collect[]=wecom_contact", "ann", "right").await.unwrap().status(), 200);
    assert_eq!(ask("/api/v1/status", "ann", "WrongWord").await.unwrap().status(), 401);
    assert_eq!(ask("/-/healthy", "ann", "right").await.unwrap().status(), 200);
    // Guesses are not hidden by other refusals.
    for _ in 0..40 {
        assert_eq!(ask("/nothing", "ann", "right").await.unwrap().status(), 404);
    }
    for n in 0..40 {
        assert_eq!(ask("/", "SlippedWord", &format!("w{n}")).await.unwrap().status(), 401);
    }
    let lines = |words: &str| exporter.log().lines().filter(|line| line.contains(words)).count();
    exporter.until("all is told", async || lines("login failed") == 20).await;
    assert_eq!(lines("message=refused"), 20);
    let log = exporter.log();
    let line = |words: &str| log.lines().find(|line| line.contains(words)).unwrap();
    let read = line("message=answered");
    for part in ["peer=127.0.0.1", "user=ann", "method=GET", "path=/metrics ", "status=200", "bytes="] {
        assert!(read.contains(part), "{part} in {read}");
    }
    let failed = line("message=\"login failed\"");
    assert!(
        failed.contains("user=ann") && failed.contains("path=/api/v1/status") && failed.contains("status=401"),
        "{failed}"
    );
    for never in ["WrongWord", "SlippedWord", "/-/healthy", "collect"] {
        assert!(!log.contains(never), "{never} in {log}");
    }
}

#[tokio::test]
async fn the_access_log_names_the_certificate_of_a_client() {
    let site = Site::new().await;
    certificate(&site);
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap();
    site.write("ca.pem", &authority.pem());
    let key = rcgen::KeyPair::generate().unwrap();
    let client = rcgen::CertificateParams::new(["prometheus.example".to_owned()]).unwrap();
    let client = client.signed_by(&key, &authority).unwrap();
    let web = site.write(
        "web.yml",
        "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_ca_file: ca.pem, \
         client_auth_type: RequireAndVerifyClientCert}",
    );
    let exporter = site.exporter(&["--web.config.file", web.to_str().unwrap(), "--web.access-log"]).await;
    let identity = reqwest::Identity::from_pem((client.pem() + &key.serialize_pem()).as_bytes()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).identity(identity);
    let url = format!("https://127.0.0.1:{}/metrics", exporter.addresses()[0].port());
    assert_eq!(client.build().unwrap().get(&url).send().await.unwrap().status(), 200);
    exporter.until("the request is logged", async || exporter.log().contains("message=answered")).await;
    let log = exporter.log();
    let line = log.lines().find(|line| line.contains("message=answered")).unwrap();
    assert!(line.contains("certificate=prometheus.example") && line.contains("path=/metrics"), "{line}");
}

#[tokio::test]
async fn without_the_flag_no_access_is_logged() {
    let site = Site::new().await;
    let exporter = site.exporter(&[]).await;
    assert_eq!(exporter.get("/metrics").await.status, 200);
    assert_eq!(exporter.get("/nothing").await.status, 404);
    exporter.signal("TERM");
    // Behind all that it logged before.
    exporter.until("it ends", async || exporter.log().contains("ending: requests under way")).await;
    let log = exporter.log();
    assert!(!log.contains("path=/metrics") && !log.contains("path=/nothing"), "{log}");
}

#[tokio::test]
async fn a_page_that_rebinds_its_name_reads_nothing() {
    let site = Site::new().await;
    let exporter = site.exporter(&["--web.allowed-host", "monitoring.test"]).await;
    exporter.page_with("there are figures", |page| page.contains("wecom_contact_user_active_chats{")).await;
    if tools::has("chromium") {
        let port = exporter.addresses()[0].port();
        let folder = tempfile::tempdir().unwrap();
        let rules = "--host-resolver-rules=MAP * 127.0.0.1";
        for (name, is_ours) in [("rebound.evil.test", false), ("monitoring.test", true), ("localhost", true)] {
            let flags = ["--dump-dom", rules, "--no-proxy-server"];
            let dom = tools::browse(folder.path(), &flags, &format!("http://{name}:{port}/metrics")).await;
            assert_eq!(dom.contains("wecom_contact_user_active_chats{"), is_ours, "{name}: {dom}");
            assert_eq!(dom.contains("is not a name of this exporter"), !is_ours, "{name}: {dom}");
        }
    }
}

/// A certificate as `openssl x509 -req` makes it by itself is of version 1, which the TLS library refuses.
#[tokio::test]
async fn a_refused_client_certificate_is_told_with_its_reason() {
    if !tools::has("openssl") || !tools::has("curl") {
        return;
    }
    let site = Site::new().await;
    certificate(&site);
    let at = |name: &str| site.folder().join(name).display().to_string();
    let openssl = async |arguments: &str| {
        let arguments = arguments.split(' ').map(|word| match word.strip_prefix('@') {
            Some(name) => at(name),
            None => word.to_owned(),
        });
        let (content, printed) = tools::run("openssl", arguments.collect(), None).await;
        assert!(content, "{printed}");
    };
    openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout @ca.key -out @ca.pem -subj /CN=ca -days 2").await;
    openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout @c.key -out @c.csr -subj /CN=client").await;
    openssl("x509 -req -in @c.csr -CA @ca.pem -CAkey @ca.key -CAcreateserial -out @c.pem -days 2").await;
    site.write(
        "web.yml",
        "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_ca_file: ca.pem, \
         client_auth_type: RequireAndVerifyClientCert}",
    );
    let exporter = site.exporter(&["--web.config.file", &at("web.yml")]).await;
    let url = format!("https://localhost:{}/metrics", exporter.addresses()[0].port());
    let flags = ["-sSk", "--noproxy", "*", "--cert", &at("c.pem"), "--key", &at("c.key"), &url];
    let (content, _) = tools::run("curl", flags.map(str::to_owned).into(), None).await;
    if content {
        // An OpenSSL that makes version 3 by itself.
        return;
    }
    let words = "refused a client by its certificate";
    exporter.until("the log tells", async || exporter.log().contains(words)).await;
    let log = exporter.log();
    let line = log.lines().find(|line| line.contains(words)).unwrap();
    assert!(line.contains("level=info") && line.contains("X.509 version 1"), "{line}");
}
