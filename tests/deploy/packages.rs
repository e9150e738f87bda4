//! What the packages put on a machine. `deploy/packages/test.sh` installs them.

use super::*;

/// Where systemd puts a file of `/etc/imstats/secrets` for the service, up to the file's own name.
pub(super) const GIVEN: &str = "/run/credentials/imstats_exporter.service/secret_";

/// What the configuration file of the packages says once its lines below the head are taken in.
fn configuration() -> String {
    let text = read("deploy/packages/exporter.yaml");
    let (_, lines) = text.split_once("\n\n").expect("a head");
    lines.lines().map(|line| format!("{}\n", line.strip_prefix('#').unwrap_or(line))).collect()
}

#[test]
fn the_configuration_of_the_packages_is_valid_once_it_is_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str| {
        let file = folder.path().join("exporter.yaml");
        std::fs::write(&file, text).unwrap();
        program().arg("check").arg("--config.file").arg(&file).args(["--storage.path", ""]).output().unwrap()
    };
    let untouched = check(&read("deploy/packages/exporter.yaml"));
    assert!(String::from_utf8_lossy(&untouched.stderr).contains("no account"), "{untouched:?}");

    let text = configuration();
    let secrets: BTreeSet<_> =
        text.split(GIVEN).skip(1).map(|rest| rest.split('}').next().unwrap().to_owned()).collect();
    assert_eq!(secrets.len(), 4, "{secrets:?}");
    for secret in secrets {
        std::fs::write(folder.path().join(secret), "a-secret-of-some-length").unwrap();
    }
    let text = text.replace(GIVEN, &format!("{}/", folder.path().display()));
    assert_done(&check(&text));
    for platform in ["wecom", "feishu", "tencent_desk"] {
        assert!(text.lines().any(|line| line == format!("{platform}:")), "{platform}");
    }
    // Figures about single people are a choice.
    assert!(text.contains("users: none") && text.contains("owners: none"));
    assert!(!text.lines().any(|line| !line.trim_start().starts_with('#') && line.contains("users: all")), "{text}");
}

#[test]
fn the_packages_hold_what_the_unit_and_the_documents_name() {
    let package = document("deploy/packages/nfpm.yaml");
    let contents: Vec<_> =
        list(&package, "contents").iter().map(|entry| (entry["src"].as_str(), text(entry, "dst"), entry)).collect();
    for (source, target, _) in &contents {
        // The others are printed by the program.
        if let Some(source) = source.filter(|source| !source.starts_with("${STAGE}/")) {
            assert!(root().join(source).is_file(), "{target}: there is no {source}");
        }
    }
    let of = |target: &str| {
        let entry = contents.iter().find(|(_, other, _)| *other == target);
        entry.unwrap_or_else(|| panic!("{target} is not in the packages")).2
    };
    let unit = read("deploy/imstats_exporter.service");
    for path in ["/usr/bin/imstats_exporter", "/etc/imstats/exporter.yaml", "/etc/imstats/secrets"] {
        assert!(unit.contains(path), "the unit does not know {path}");
        of(path);
    }
    of("/usr/share/doc/imstats-exporter/exporter.example.yaml");
    for config in ["/etc/imstats/exporter.yaml", "/etc/default/imstats_exporter"] {
        assert_eq!(text(of(config), "type"), "config|noreplace", "{config}");
    }
    assert_eq!(at(of("/etc/imstats/secrets"), "file_info.mode").as_u64(), Some(0o700));
    // Debian lets no other names into an archive.
    let name = text(&package, "name");
    assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte)));
    for script in ["postinstall", "preremove", "postremove"] {
        assert!(root().join(text(&package, &format!("scripts.{script}"))).is_file(), "{script}");
    }
}

#[test]
fn the_tarballs_are_called_as_cargo_binstall_and_the_documents_expect() {
    assert!(read("deploy/packages/build.sh").contains("name=imstats_exporter-$VERSION-linux-$ARCH\n"));
    let manifest = read("Cargo.toml");
    for (processor, arch) in [("x86_64", "amd64"), ("aarch64", "arm64")] {
        let (_, section) = manifest.split_once(&format!("overrides.{processor}-unknown-linux-musl]\n")).unwrap();
        let section = section.split("\n\n").next().unwrap();
        let name = format!("{{ name }}-{{ version }}-linux-{arch}");
        assert!(section.contains(&format!("{{ repo }}/releases/download/v{{ version }}/{name}.tar.gz\"")), "{section}");
        assert!(section.contains(&format!("bin-dir = \"{name}/{{ bin }}\"")), "{section}");
    }
    let version = env!("CARGO_PKG_VERSION");
    let install = read("docs/install.md");
    for name in [
        format!("imstats_exporter-{version}-linux-amd64.tar.gz"),
        format!("imstats-exporter_{version}_amd64.deb"),
        format!("imstats-exporter-{version}-1.x86_64.rpm"),
        format!("ghcr.io/imstats/imstats_exporter:{version}"),
        format!("imstats_exporter-{version}.cdx.json"),
    ] {
        assert!(install.contains(&name), "docs/install.md does not know {name}");
    }
}
