//! The units of systemd.

use super::packages::GIVEN;
use super::*;

/// The settings of a unit's section, in order.
fn settings(unit: &str) -> Vec<(String, String)> {
    let text = read(unit);
    let lines = text.lines().filter(|line| !line.starts_with(['#', '[', ' ']));
    lines.filter_map(|line| line.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_unit_gives_the_program_nothing_but_its_folder() {
    let settings = settings("deploy/imstats_exporter.service");
    let all = |key: &str| -> Vec<&str> {
        settings.iter().filter(|(other, _)| other == key).map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!(all("Type"), ["notify"]);
    assert_eq!(all("DynamicUser"), ["yes"]);
    assert_eq!(all("ProtectSystem"), ["strict"]);
    assert_eq!(all("CapabilityBoundingSet"), [""]);
    assert_eq!(all("StateDirectory"), ["imstats_exporter"]);
    assert_eq!(all("WatchdogSec").len(), 1);
    assert_eq!(all("LimitCORE"), ["0"], "the watchdog's signal must not leave secrets in a core");
    assert_eq!(all("EnvironmentFile"), ["-/etc/default/imstats_exporter"]);
    assert!(all("ExecStart")[0].ends_with("--storage.path=${STATE_DIRECTORY}"));
    // How configurations name a secret follows from this.
    assert_eq!(all("LoadCredential"), ["secret:/etc/imstats/secrets"]);
    assert!(read("deploy/imstats_exporter.service").contains(&format!("{GIVEN}NAME")));
    assert!(read("deploy/imstats_exporter.socket").contains(&format!("\nListenStream={}\n", port())));
}

#[test]
fn systemd_takes_the_units() {
    let folder = tempfile::tempdir().unwrap();
    let copy = |name: &str| {
        // It looks whether the program is there.
        let text = read(Path::new("deploy").join(name)).replace(
            "ExecStart=/usr/bin/imstats_exporter",
            concat!("ExecStart=", env!("CARGO_BIN_EXE_imstats_exporter")),
        );
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (service, socket) = (copy("imstats_exporter.service"), copy("imstats_exporter.socket"));
    if let Some(output) = tool("systemd-analyze", &["verify", "--man=no", &service, &socket]) {
        assert_done(&output);
        // An unknown setting is told, and is no failure.
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains(folder.path().to_str().unwrap()), "{said}");
    }
    // 2.0 and below is what systemd calls safe enough to smile at.
    if let Some(output) = tool("systemd-analyze", &["security", "--offline=true", "--threshold=20", &service]) {
        assert_done(&output);
    }
}
