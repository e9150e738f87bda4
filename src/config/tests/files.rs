//! Files: the configuration's own and those that it names, with their bounds and who may read or change them.

use super::*;

#[test]
fn the_file_is_read_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("exporter.yaml");
    let load = || Config::load(&path);
    let missing = load().unwrap_err().to_string();
    assert!(missing.contains("write one (see exporter.example.yaml) or name it with --config.file"), "{missing}");
    std::fs::write(&path, b"# \xe4\xb8\xad\nwecom: \xff\n").unwrap();
    assert!(
        load()
            .unwrap_err()
            .to_string()
            .ends_with("exporter.yaml:2: byte 14 of the file is not UTF-8: save it as UTF-8")
    );
    std::fs::write(&path, "#".repeat(4 * 1024 * 1024 + 1)).unwrap();
    assert!(matches!(load(), Err(ConfigError::TooLarge { .. })));
    // A file's names are relative to its folder.
    std::fs::write(folder.path().join("secret"), "s3cret\n").unwrap();
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(folder.path().join("secret"), owner_only).unwrap();
    std::fs::write(&path, "\u{feff}".to_owned() + &SMALL.replace("s3cret", "{file: secret}")).unwrap();
    let config = load().unwrap();
    assert!(config.sources[0].account.credential.proof.present().is_ok_and(|secret| secret.is_some()));
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[cfg(unix)]
#[test]
fn a_secret_in_a_file_that_others_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), SMALL).unwrap();
    let warnings = |mode| {
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        Config::load(file.path()).unwrap().warnings
    };
    assert_eq!(warnings(0o600), Vec::<String>::new());
    assert!(warnings(0o640)[0].starts_with("wecom[0].secret: the secret is written in"), "{:?}", warnings(0o640));
    // The secrets of all other kinds, each of them the only one in the file.
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "s3cret").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let without = SMALL.replace("s3cret", &format!("{{file: \"{}\"}}", secret.display()));
    for (line, place) in [
        ("    proxy_url: http://u:s3cret@127.0.0.1:1\n", "wecom[0].proxy_url"),
        ("    pseudonymize: {key: s3cret-s3cret-s3cret}\n", "wecom[0].pseudonymize.key"),
        ("    kf: {secret: s3cret}\n", "wecom[0].kf.secret"),
    ] {
        std::fs::write(file.path(), without.clone() + line).unwrap();
        let told = warnings(0o640);
        assert!(told.iter().any(|told| told.starts_with(&format!("{place}: the secret is written in"))), "{told:?}");
        assert!(!told.concat().contains("s3cret"), "{told:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_ca_file_that_is_a_pipe_is_told_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("ca.pem");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let text = SMALL.replace("    contact", &format!("    ca_file: \"{}\"\n    contact", pipe.display()));
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(told(&text)));
    let told = receiver.recv_timeout(Duration::from_secs(30)).expect("it does not wait for the pipe's other end");
    assert!(told.contains("wecom[0].ca_file: ") && told.contains("ca.pem is not a file"), "{told}");
}

#[cfg(unix)]
#[test]
fn files_that_others_may_change_or_read_are_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("secret"), "s3cret").unwrap();
    std::fs::write(at("exporter.yaml"), SMALL.replace("s3cret", "{file: secret}")).unwrap();
    let warnings = |inside, config, secret| {
        for (path, mode) in [(folder.path().to_owned(), inside), (at("exporter.yaml"), config), (at("secret"), secret)]
        {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        Config::load(&at("exporter.yaml")).unwrap().warnings
    };
    assert_eq!(warnings(0o755, 0o644, 0o640), Vec::<String>::new());
    assert_eq!(warnings(0o700, 0o666, 0o666), Vec::<String>::new(), "nobody else comes through the folder");
    for (warnings, expected) in [
        (warnings(0o755, 0o646, 0o600), "--config.file: other users of this machine may change"),
        (warnings(0o777, 0o644, 0o600), "wecom[0].secret: other users of this machine may replace"),
        (warnings(0o755, 0o644, 0o644), "wecom[0].secret: other users of this machine may read"),
        (warnings(0o755, 0o644, 0o602), "wecom[0].secret: other users of this machine may change"),
    ] {
        assert!(warnings[0].starts_with(expected), "{expected}: {warnings:?}");
        assert!(!warnings.concat().contains("s3cret"));
    }
    warnings(0o755, 0o644, 0o600);
    let authority = rcgen::generate_simple_self_signed(["platform.example".to_owned()]).unwrap().cert.pem();
    std::fs::write(at("ca.pem"), authority).unwrap();
    std::fs::set_permissions(at("ca.pem"), std::fs::Permissions::from_mode(0o646)).unwrap();
    let text = SMALL.replace("s3cret", "{file: secret}").replace("    contact", "    ca_file: ca.pem\n    contact");
    std::fs::write(at("exporter.yaml"), text).unwrap();
    let warnings = Config::load(&at("exporter.yaml")).unwrap().warnings;
    assert!(warnings[0].starts_with("wecom[0].ca_file: other users of this machine may change"), "{warnings:?}");
}

#[test]
fn files_that_are_not_there_are_told_with_where_they_were_looked_for() {
    let with = |keys: &str| format!("wecom: [{{account: acme, corp_id: ww1, {keys}, contact: {{}}}}]");
    let here = std::env::current_dir().unwrap();
    let relative = format!("relative to the configuration's folder, {}", here.display());
    for (keys, place, says) in [
        ("secret: {file: ~/s}", "secret", "`~` is not expanded: write the whole path"),
        ("secret: {file: $HOME/s}", "secret", "`$NAME` is not expanded"),
        ("secret: {file: no/s}", "secret", relative.as_str()),
        ("secret: x, ca_file: no/ca", "ca_file", relative.as_str()),
        ("secret: x, proxy_url: {file: ~/p}", "proxy_url", "`~` is not expanded"),
    ] {
        let message = told(&with(keys));
        assert!(
            message.starts_with(&format!("exporter.yaml: wecom[0].{place}: ")) && message.contains(says),
            "{message}"
        );
    }
    let whole = told(&with("secret: {file: /nonexistent/s}"));
    assert!(!whole.contains("relative"), "{whole}");
    let warnings = parse(&with("access_token: {file: no/token}")).unwrap().warnings;
    assert!(warnings[0].contains(&relative), "{warnings:?}");
}
