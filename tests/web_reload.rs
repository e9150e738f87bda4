//! `--web.config.file` as it changes while the program runs: no change takes protection away.

use std::io::Write;
use std::path::Path;

use crate::disk::Disk;
use crate::exporter::{Exporter, Site, program};
use crate::web_config::{certificate, hash};

/// The program with TLS and a password, by the file `web.yml` in `folder`; and the text of that file.
async fn guarded(site: &Site, folder: &Path) -> (Exporter, String) {
    certificate(site);
    let at = |name: &str| site.folder().join(name).display().to_string();
    let text = format!(
        "tls_server_config:\n  cert_file: {}\n  key_file: {}\nbasic_auth_users:\n  ann: {}\n",
        at("cert.pem"),
        at("key.pem"),
        hash("right")
    );
    let web = folder.join("web.yml");
    std::fs::write(&web, &text).unwrap();
    (Exporter::start(with_web_config(site, folder)).await, text)
}

/// The program with the file `web.yml` in `folder`.
fn with_web_config(site: &Site, folder: &Path) -> std::process::Command {
    let config = site.write("exporter.yaml", "wecom: [{$wecom, contact: {$fast}}]");
    let mut command = program(&["--storage.path", "", "--web.listen-address", "127.0.0.1:0"]);
    command.arg("--config.file").arg(config).arg("--web.config.file").arg(folder.join("web.yml"));
    command
}

/// Waits until the log has so many lines with these words, and meanwhile asks without a password: it is never let in.
async fn is_shut_until(exporter: &Exporter, words: &str, count: usize) {
    let client = reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).build().unwrap();
    let url = format!("https://127.0.0.1:{}/metrics", exporter.addresses()[0].port());
    let told = async || {
        let answer = match client.get(&url).send().await {
            Ok(answer) => answer,
            // A change ends the connections from before it.
            Err(_) => client.get(&url).send().await.unwrap(),
        };
        assert_eq!(answer.status(), 401);
        assert_eq!(exporter.get("/metrics").await.status, 400, "plain HTTP");
        exporter.log().matches(words).count() >= count
    };
    exporter.until(words, told).await;
}

#[tokio::test]
async fn a_file_that_is_being_written_lets_nobody_in() {
    let site = Site::new().await;
    let (exporter, text) = guarded(&site, site.folder()).await;
    let web = site.folder().join("web.yml");
    let removed = |what: &str| format!("web.yml would remove {what}");
    // A slow writer: TLS first, the users later.
    let (tls, users) = text.split_at(text.find("basic_auth").unwrap());
    let mut file = std::fs::File::create(&web).unwrap();
    file.write_all(tls.as_bytes()).unwrap();
    is_shut_until(&exporter, &removed("the users"), 1).await;
    file.write_all(users.as_bytes()).unwrap();
    is_shut_until(&exporter, "can be used again", 1).await;
    // Truncated.
    std::fs::write(&web, "").unwrap();
    is_shut_until(&exporter, &removed("TLS"), 1).await;
    // Other users are no loss.
    std::fs::write(&web, users.replace("ann", "bob") + tls).unwrap();
    is_shut_until(&exporter, "loaded the changed web configuration", 1).await;
    assert!(exporter.log().contains("level=error"), "{}", exporter.log());
}

#[tokio::test]
async fn a_shorter_file_that_replaces_the_old_one_is_not_taken_until_a_restart() {
    for lost in ["the users", "TLS"] {
        let site = Site::new().await;
        let (exporter, text) = guarded(&site, site.folder()).await;
        let (tls, users) = text.split_at(text.find("basic_auth").unwrap());
        let (web, new) = (site.folder().join("web.yml"), site.folder().join("new.yml"));
        std::fs::write(&new, if lost == "TLS" { users } else { tls }).unwrap();
        std::fs::rename(&new, &web).unwrap();
        is_shut_until(&exporter, &format!("web.yml would remove {lost}"), 1).await;
        drop(exporter);
        // A restart takes it as it is.
        let exporter = Exporter::start(with_web_config(&site, site.folder())).await;
        let client = reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).build().unwrap();
        let port = exporter.addresses()[0].port();
        let (scheme, status) = if lost == "TLS" { ("http", 401) } else { ("https", 200) };
        let answer = client.get(format!("{scheme}://127.0.0.1:{port}/metrics")).send().await.unwrap();
        assert_eq!(answer.status(), status, "without {lost}");
    }
}

#[tokio::test]
async fn a_full_disk_takes_no_protection_off() {
    let site = Site::new().await;
    let folder = site.folder().join("disk");
    let Some(disk) = Disk::mount(&folder, "size=64k") else { return };
    let (exporter, text) = guarded(&site, &folder).await;
    std::fs::write(folder.join("web.yml"), "").unwrap();
    let filler = disk.fill();
    // As `cp` does it.
    assert!(std::fs::write(folder.join("web.yml"), &text).is_err());
    is_shut_until(&exporter, "would remove TLS", 1).await;
    std::fs::remove_file(filler).unwrap();
    std::fs::write(folder.join("web.yml"), &text).unwrap();
    is_shut_until(&exporter, "can be used again", 1).await;
    drop(exporter);
}
