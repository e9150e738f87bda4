//! Pages as OpenMetrics text, through prometheus-client.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::Page;
use crate::sample::Row;
use crate::source::{Api, Info};

/// What `collector` encodes, without the line that ends an exposition.
pub(super) fn render(collector: impl Collector) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(collector));
    let mut page = String::new();
    // Writing to a string does not fail.
    let _ = text::encode_registry(&mut page, &registry);
    page
}

/// The pages of one API, by their accounts.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) api: &'static Api,
    pub(super) pages: BTreeMap<String, Arc<Page>>,
}

impl Pages {
    /// The rows of the table with that prefix, with their accounts.
    fn rows(&self, prefix: &str) -> impl Iterator<Item = (&str, &Row)> {
        self.pages.iter().flat_map(move |(account, page)| {
            let tables = page.tables.iter().filter(move |(table, _)| table.prefix == prefix);
            tables.flat_map(move |(_, rows)| rows.iter().map(move |row| (account.as_str(), row)))
        })
    }
}

impl Collector for Pages {
    /// A family stands in one piece, so the fields come first and the accounts within.
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for table in self.api.tables {
            let rows: Vec<_> = self.rows(table.prefix).collect();
            for (n, field) in table.fields.iter().enumerate() {
                let mut samples = rows
                    .iter()
                    .filter_map(|(account, row)| Some((account, row, row.values.get(n).copied().flatten()?)))
                    .peekable();
                // A family without samples is left out.
                if samples.peek().is_none() {
                    continue;
                }
                let name = table.metric(field);
                let help = table.help(field, self.api.title);
                let mut metric = encoder.encode_descriptor(&name, &help, None, MetricType::Gauge)?;
                for (account, row, value) in samples {
                    let labels = Labels { account, names: table.labels, values: &row.labels };
                    metric.encode_family(&labels)?.encode_gauge(&value)?;
                }
            }
        }
        Ok(())
    }
}

/// `account`, and the labels of a row.
struct Labels<'a> {
    account: &'a str,
    names: &'static [&'static str],
    values: &'a [String],
}

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        ("account", self.account).encode(encoder.encode_label())?;
        for (name, value) in self.names.iter().zip(self.values) {
            (*name, value.as_str()).encode(encoder.encode_label())?;
        }
        Ok(())
    }
}

/// The names of an info metric's ids: by account and id, the parent's id and the name.
pub(super) type Names = BTreeMap<(String, String), (Option<String>, String)>;

/// All info metrics, by their names.
#[derive(Debug, Default)]
pub(super) struct Infos(pub(super) BTreeMap<&'static str, (&'static Info, Names)>);

impl Collector for Infos {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (family, (info, names)) in &self.0 {
            if names.is_empty() {
                continue;
            }
            // The encoder adds the suffix.
            let family = family.strip_suffix("_info").unwrap_or(family);
            let mut metric = encoder.encode_descriptor(family, info.help, None, MetricType::Info)?;
            for ((account, id), (parent, name)) in names {
                let mut labels = vec![("account", account.as_str()), (info.id, id)];
                // Without a parent the label is empty, which Prometheus takes for absent.
                labels.extend(info.parent.map(|label| (label, parent.as_deref().unwrap_or_default())));
                labels.push(("name", name));
                metric.encode_info(&labels)?;
            }
        }
        Ok(())
    }
}
