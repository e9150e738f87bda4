//! `healthcheck`: what a container engine runs beside the exporter.

use std::process::ExitCode;

use anyhow::Context as _;

use super::Flags;
use super::output::remark;
use crate::http::{self, WebConfig};

/// Asks the exporter that these flags would start; the exit code says whether it is ready.
pub(super) async fn healthcheck(flags: &Flags) -> anyhow::Result<ExitCode> {
    let tls = match &flags.web_config {
        Some(path) => WebConfig::load(path).context("--web.config.file")?.has_tls(),
        None => false,
    };
    // The first of several addresses is enough: they are bound together.
    let address = flags.listen.first().map_or(":10101", String::as_str);
    match http::healthcheck(address, tls).await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            remark(format_args!("{error}"));
            Ok(ExitCode::FAILURE)
        }
    }
}
