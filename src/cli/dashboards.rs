//! `dashboards`: the Grafana dashboards and Prometheus rules that the program carries.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use sha2::{Digest as _, Sha256};

use super::output::{answer, remark};
use crate::files::{WholeFile, read_bounded};

#[derive(Debug, Args)]
pub(super) struct DashboardsArgs {
    /// Where to write them: dashboards under grafana (Chinese under grafana/zh), rules under prometheus.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Replaces files that were changed since an earlier run wrote them.
    #[arg(long)]
    force: bool,
}

/// Name and JSON of each dashboard, as they are written to `grafana` and served below `/dashboards/`.
pub(super) const DASHBOARDS: &[(&str, &[u8])] = &[
    ("overview", include_bytes!("../../grafana/overview.json")),
    ("wecom-contact", include_bytes!("../../grafana/wecom-contact.json")),
    ("wecom-groupchat", include_bytes!("../../grafana/wecom-groupchat.json")),
    ("wecom-kf", include_bytes!("../../grafana/wecom-kf.json")),
    ("wecom-person", include_bytes!("../../grafana/wecom-person.json")),
    ("tencent-desk", include_bytes!("../../grafana/tencent-desk.json")),
    ("feishu-push", include_bytes!("../../grafana/feishu-push.json")),
    ("exporter-health", include_bytes!("../../grafana/exporter-health.json")),
    ("zh/overview", include_bytes!("../../grafana/zh/overview.json")),
    ("zh/wecom-contact", include_bytes!("../../grafana/zh/wecom-contact.json")),
    ("zh/wecom-groupchat", include_bytes!("../../grafana/zh/wecom-groupchat.json")),
    ("zh/wecom-kf", include_bytes!("../../grafana/zh/wecom-kf.json")),
    ("zh/wecom-person", include_bytes!("../../grafana/zh/wecom-person.json")),
    ("zh/tencent-desk", include_bytes!("../../grafana/zh/tencent-desk.json")),
    ("zh/feishu-push", include_bytes!("../../grafana/zh/feishu-push.json")),
    ("zh/exporter-health", include_bytes!("../../grafana/zh/exporter-health.json")),
];

/// Name and text of each file for Prometheus.
const PROMETHEUS: &[(&str, &[u8])] = &[
    ("scrape.example.yaml", include_bytes!("../../prometheus/scrape.example.yaml")),
    ("alerts.yaml", include_bytes!("../../prometheus/alerts.yaml")),
    ("alerts-figures.example.yaml", include_bytes!("../../prometheus/alerts-figures.example.yaml")),
];

/// Where the hashes of what was written are kept, as `sha256sum --check` reads them.
const HASHES: &str = ".imstats_exporter.sha256";

/// Larger than any file that this writes.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// Writes all files that are not there, or are as an earlier run wrote them; exits with 1 if it left one as it is.
pub(super) fn dashboards(args: &DashboardsArgs) -> anyhow::Result<ExitCode> {
    let dashboards = DASHBOARDS.iter().map(|(name, json)| (format!("grafana/{name}.json"), *json));
    let rules = PROMETHEUS.iter().map(|(name, text)| (format!("prometheus/{name}"), *text));
    let known = read_hashes(&args.folder.join(HASHES))?;
    let (mut hashes, mut kept) = (String::new(), 0);
    for (name, content) in dashboards.chain(rules) {
        let path = args.folder.join(&name);
        let shown = path.display();
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        let (found, new) = (present(&path)?, sha256(content));
        let ours = match &found {
            None => true,
            Some(found) => args.force || *found == new || known.get(&name) == Some(found),
        };
        if !ours {
            kept += 1;
            remark(format_args!("{shown} was changed since it was written: left as it is (--force replaces it)"));
            // The next version still has to know that this file is somebody's.
            if let Some(hash) = known.get(&name) {
                let _ = writeln!(hashes, "{hash}  {name}");
            }
            continue;
        }
        let _ = writeln!(hashes, "{new}  {name}");
        let done = match found {
            None => "",
            Some(found) if found == new => " (unchanged)",
            Some(_) => " (replaced)",
        };
        if done != " (unchanged)" {
            write(&path, content)?;
        }
        answer(format_args!("{shown}{done}"))?;
    }
    write(&args.folder.join(HASHES), hashes.as_bytes())?;
    Ok(if kept == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The hash of the file at `path`, which must be a plain file if it is there: a link may lead anywhere.
fn present(path: &Path) -> anyhow::Result<Option<String>> {
    let shown = path.display();
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot look at {shown}")),
        Ok(metadata) if metadata.is_file() => {
            let bytes = read_bounded(path, MOST_BYTES).with_context(|| format!("cannot read {shown}"))?;
            Ok(Some(sha256(&bytes)))
        }
        Ok(_) => bail!(
            "{shown} is a link or no plain file: nothing is written through it; remove it, or choose another folder"
        ),
    }
}

/// Writes a file that all may read, and gives it its name when it is whole.
fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let write = || {
        let mut file = WholeFile::begin(path)?;
        file.write_all(content)?;
        file.finish()?;
        // Grafana and Prometheus read them as users of their own, and nothing in them is secret.
        fs::set_permissions(path, Permissions::from_mode(0o644))
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Name and hash of each file that an earlier run wrote; what is no such line is passed over.
fn read_hashes(path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    if present(path)?.is_none() {
        return Ok(BTreeMap::new());
    }
    let bytes = read_bounded(path, MOST_BYTES).with_context(|| format!("cannot read {}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter_map(|line| line.split_once("  "));
    Ok(lines.map(|(hash, name)| (name.to_owned(), hash.to_owned())).collect())
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
