//! `dashboards`: the Grafana dashboards and Prometheus rules that the program carries.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::output::answer;

#[derive(Debug, Args)]
pub(super) struct DashboardsArgs {
    /// Where to write them: dashboards under grafana (Chinese under grafana/zh), rules under prometheus.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Name and JSON of each dashboard, as they are written to `grafana` and served below `/dashboards/`.
pub(super) const DASHBOARDS: &[(&str, &[u8])] = &[
    ("wecom-contact", include_bytes!("../../grafana/wecom-contact.json")),
    ("wecom-groupchat", include_bytes!("../../grafana/wecom-groupchat.json")),
    ("wecom-kf", include_bytes!("../../grafana/wecom-kf.json")),
    ("tencent-desk", include_bytes!("../../grafana/tencent-desk.json")),
    ("feishu-push", include_bytes!("../../grafana/feishu-push.json")),
    ("exporter-health", include_bytes!("../../grafana/exporter-health.json")),
    ("zh/wecom-contact", include_bytes!("../../grafana/zh/wecom-contact.json")),
    ("zh/wecom-groupchat", include_bytes!("../../grafana/zh/wecom-groupchat.json")),
    ("zh/wecom-kf", include_bytes!("../../grafana/zh/wecom-kf.json")),
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

/// Writes all of them, over files of the same names.
pub(super) fn dashboards(args: &DashboardsArgs) -> anyhow::Result<ExitCode> {
    let dashboards = DASHBOARDS.iter().map(|(name, json)| (format!("grafana/{name}.json"), *json));
    let rules = PROMETHEUS.iter().map(|(name, text)| (format!("prometheus/{name}"), *text));
    for (name, content) in dashboards.chain(rules) {
        let path = args.folder.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        answer(format_args!("{}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
