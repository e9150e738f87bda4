//! What is used: the checks of the file as a whole, and its defaults.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::checking::{FileChecks, ReadSecret};
use super::file::{AccountEntry, BlockEntry, Common, ConfigFile};
use super::proof::{first_inline, search_remark, way};
use super::{Account, Config, ConfigError, Rate, SourceConfig, keys, proxy, units};
use crate::day::{Schedule, Zone};
use crate::files::rights_remark;
use crate::platform::{Credential, CredentialKeys, PLATFORMS, Proof, Secret};
use crate::printable::printable;
use crate::source::{Api, BLOCKS, PseudonymizedSource, Pseudonyms, Source};
use crate::yaml::cut;

/// How often a source wakes.
const POLL_INTERVAL: Duration = Duration::from_mins(10);

/// How long establishing a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a request may take in all.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How many days a request covers where it can: corrections of the two days before come at no extra call.
const LOOKBACK_DAYS: u32 = 3;

/// How long the page of the day before may stay when a day is ready: one that is ready at six in China is then on show
/// at eight, which is midnight in UTC, where Prometheus looks for the sample of a day (`[7d:1d]`).
const FLIP_AFTER: Duration = Duration::from_mins(110);

/// How many requests may be under way at once.
const CONCURRENCY: u32 = 8;

/// The most labels that an account may give to its series: each of them is sent with each sample.
const MOST_LABELS: usize = 16;

/// The shortest key of pseudonyms, in bytes: 128 bits where they are random.
const LEAST_KEY: usize = 16;

/// The configured rates of each company's APIs, each with the key path that says so.
///
/// The platforms count by company, whichever account or secret calls.
type Rates = BTreeMap<(&'static str, String), BTreeMap<&'static str, (Rate, String)>>;

/// Checks what was written in a file in `folder`, in which `faults` were found before, and fills in the defaults;
/// tells also the key path of the first secret that is inline in the file.
pub(super) fn check(
    written: ConfigFile,
    faults: Vec<String>,
    file: &str,
    folder: &Path,
    read: ReadSecret<'_>,
) -> Result<(Config, Option<String>), ConfigError> {
    let poll_interval = written.poll_interval.unwrap_or(POLL_INTERVAL);
    let accounts = written.into_accounts();
    let mut checking = FileChecks { folder, read, faults, warnings: Vec::new() };
    if accounts.is_empty() {
        checking.faults.push(nothing_written());
    }
    checking.unique_names(&accounts);
    let rates = checking.rates(&accounts);
    let mut sources = Vec::new();
    let mut inline_secret = None;
    for account in accounts {
        inline_secret = inline_secret.or_else(|| first_inline(&account));
        sources.extend(checking.account(account, &rates, poll_interval));
    }
    if checking.faults.is_empty() {
        Ok((Config { sources, warnings: checking.warnings }, inline_secret))
    } else {
        let faults = checking.faults.iter().map(|fault| printable(fault)).collect();
        Err(ConfigError::Faults { file: file.to_owned(), faults })
    }
}

/// What to write into a file without accounts.
pub(super) fn nothing_written() -> String {
    let platforms: Vec<_> = PLATFORMS.iter().map(|platform| platform.name()).collect();
    format!("no account: write a list of accounts under {} (see exporter.example.yaml)", platforms.join(" or "))
}

impl FileChecks<'_> {
    fn unique_names(&mut self, accounts: &[AccountEntry]) {
        let mut seen = BTreeMap::new();
        for AccountEntry { platform, path, name, .. } in accounts {
            let Some(name) = name else { continue };
            if let Some(first) = seen.insert((platform.name(), name), path) {
                self.faults.push(format!("{path}.{}: `{name}` is already the name of {first}", keys::ACCOUNT));
            }
        }
    }

    fn rates(&mut self, accounts: &[AccountEntry]) -> Rates {
        let mut rates = Rates::new();
        for account in accounts {
            let Some(id) = &account.id else { continue };
            let company = rates.entry((account.platform.name(), id.clone())).or_default();
            for block in &account.blocks {
                let Some(rate) = block.common.rate_limit else { continue };
                let path = format!("{}.{}", block.path, keys::RATE_LIMIT);
                for api in block.block.apis {
                    let (first, other) = company.entry(api.path).or_insert_with(|| (rate, path.clone()));
                    if *first != rate {
                        let company = account.platform.keys().id;
                        self.faults.push(format!(
                            "{path}: differs from {other}, but {} counts calls by {company}",
                            account.platform.title()
                        ));
                        break;
                    }
                }
            }
        }
        rates
    }

    /// The sources of an account; what is wrong with it is a fault, and then the sources don't matter.
    fn account(&mut self, account: AccountEntry, rates: &Rates, poll_interval: Duration) -> Vec<SourceConfig> {
        let Reach { base_url, proxy_url, ca_file } = self.reach(&account);
        let pseudonyms = self.pseudonyms(&account);
        let labels = self.labels(&account);
        let insecure_http = account.insecure_http.unwrap_or(false);
        let AccountEntry { platform, path, blocks, .. } = account;
        let credential = platform.keys();
        let mut required = vec![(keys::ACCOUNT, true), (credential.id, true)];
        required.extend(credential.caller.map(|caller| (caller, true)));
        let is_proven = |common: &Common| common.secret.is_some() || common.token.is_written();
        let proven = account.token.is_written() || blocks.iter().all(|block| is_proven(&block.common));
        required.push((credential.secret, !proven));
        for (key, required) in required {
            if required && !account.present.contains(&key) {
                let token = credential.token;
                let or = if key == credential.secret { format!(" (or {token}, from outside)") } else { String::new() };
                self.faults.push(format!("{path}.{key}: it is missing{or}{}", example_of(key, credential)));
            }
        }
        if blocks.is_empty() {
            let of_platform = BLOCKS.iter().filter(|block| block.platform.name() == platform.name());
            let known: Vec<_> = of_platform.map(|block| block.name).collect();
            self.warnings.push(format!("{path}: nothing is polled: it has no block ({})", known.join(", ")));
        }
        let proof = self.proof(account.secret, account.token, platform.keys(), &path, insecure_http);
        if let Some(Err(why)) = account.id.as_ref().filter(|id| !id.is_empty()).map(|id| platform.check_id(id)) {
            self.faults.push(format!("{path}.{}: {why}", platform.keys().id));
        }
        let id = account.id.unwrap_or_default();
        let rates = rates.get(&(platform.name(), id.clone()));
        let rates: BTreeMap<_, _> = rates.into_iter().flatten().map(|(api, (rate, _))| (*api, *rate)).collect();
        let name = account.name.unwrap_or_default();
        let with_proof = |block, proof: Proof| {
            let (id, caller) = (id.clone(), account.caller.clone());
            Arc::new(Account {
                key: format!("{} {name} {block} {id} {base_url}{}", platform.name(), way(&proof)),
                name: name.clone(),
                block,
                credential: Credential { platform, id, caller, proof },
                base_url: base_url.clone(),
                proxy_url: proxy_url.clone(),
                ca_file: ca_file.clone(),
                connect_timeout: account.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
                timeout: account.timeout.unwrap_or(TIMEOUT),
                rates: rates.clone(),
                labels: Arc::clone(&labels),
                pseudonyms: pseudonyms.clone(),
            })
        };
        let shared = proof.map(|proof| with_proof("", proof));
        let mut configs = Vec::new();
        for BlockEntry { block, path, mut common, params } in blocks {
            let (secret, token) = (common.secret.take(), std::mem::take(&mut common.token));
            let own = self.proof(secret, token, credential, &path, insecure_http);
            self.lookback(&path, block.apis, &common);
            params.warn(&path, &mut self.warnings);
            let sources = params.sources(&id);
            if sources.is_empty() {
                self.warnings.push(format!("{path}: nothing is polled: it selects no subject"));
            }
            let account_of_block = own.map(|proof| with_proof(block.name, proof)).or_else(|| shared.clone());
            let Some(account_of_block) = account_of_block else { continue };
            let names = account.names.unwrap_or(false);
            let config = |source| source_config(source, &account_of_block, &common, (poll_interval, names));
            configs.extend(sources.into_iter().map(config));
        }
        configs
    }

    /// The labels that `account` gives to all its series.
    fn labels(&mut self, account: &AccountEntry) -> Arc<[(String, String)]> {
        let path = format!("{}.{}", account.path, keys::LABELS);
        let written = &account.labels.0;
        if written.len() > MOST_LABELS {
            self.faults.push(format!("{path}: {} labels are more than {MOST_LABELS}", written.len()));
        }
        for (name, _) in written.iter().take(MOST_LABELS) {
            if let Err(why) = units::label_name(name) {
                self.faults.push(format!("{path}.{}: {why}", cut(name)));
            }
        }
        let mut labels: Vec<_> =
            written.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect();
        labels.sort_unstable();
        labels.into()
    }

    /// What `account` puts in the place of ids of people.
    fn pseudonyms(&mut self, account: &AccountEntry) -> Option<Arc<Pseudonyms>> {
        let path = format!("{}.{}", account.path, keys::PSEUDONYMIZE);
        if account.pseudonymize.key.is_some() && account.names == Some(true) {
            self.faults.push(format!("{path}: names would tell who is behind each pseudonym: leave one of both out"));
        }
        let path = format!("{path}.{}", keys::PSEUDONYM_KEY);
        let secret = self.secret(account.pseudonymize.key.clone(), &path)?;
        // Already reported above.
        let key = (self.read)(&secret).ok()?;
        let key = key.expose_secret();
        if key.len() < LEAST_KEY {
            self.faults.push(format!(
                "{path}: ids can be guessed, so the key must not be: it has less than {LEAST_KEY} bytes (openssl rand -hex 32 \
                 makes one)"
            ));
        }
        let company = account.id.as_deref().unwrap_or_default();
        Some(Arc::new(Pseudonyms::new(key, account.platform.name(), company)))
    }

    fn reach(&mut self, account: &AccountEntry) -> Reach {
        let path = &account.path;
        let base_url = account.base_url.as_deref().unwrap_or_else(|| account.platform.base_url());
        let base_url = units::base_url(base_url, account.insecure_http.unwrap_or(false)).unwrap_or_else(|why| {
            self.faults.push(format!("{path}.{}: {why}", keys::BASE_URL));
            String::new()
        });
        let proxy_path = format!("{path}.{}", keys::PROXY_URL);
        // Read the secret again: its fault was already reported.
        let proxy_url = self.secret(account.proxy_url.clone(), &proxy_path).and_then(|url| (self.read)(&url).ok());
        if let Some(Err(why)) = proxy_url.as_ref().map(|url| proxy::proxy_url(url.expose_secret())) {
            self.faults.push(format!("{proxy_path}: {why}"));
        }
        let ca_file = account.ca_file.as_ref().map(|file| self.folder.join(file));
        if let Some(Err(why)) = ca_file.as_ref().map(|file| readable(file)) {
            let written = account.ca_file.clone().map(Secret::File);
            let searched = written.map(|written| search_remark(&written, self.folder)).unwrap_or_default();
            self.faults.push(format!("{path}.{}: {why}{searched}", keys::CA_FILE));
        }
        // It says who may pose as the platform.
        if let Some(remark) = ca_file.as_ref().and_then(|file| rights_remark(file, false)) {
            self.warnings.push(format!("{path}.{}: {remark}", keys::CA_FILE));
        }
        Reach { base_url, proxy_url, ca_file }
    }

    fn lookback(&mut self, path: &str, apis: &[&Api], common: &Common) {
        let Some(days) = common.lookback_days else { return };
        let ranges = apis.iter().map(|api| api.days_per_call).filter(|days| *days > 1);
        match ranges.min() {
            None if days > 1 => {
                self.faults.push(format!("{path}.{}: the API gives one day a call", keys::LOOKBACK_DAYS));
            }
            Some(most) if days > most => {
                self.faults.push(format!("{path}.{}: the API gives at most {most} days a call", keys::LOOKBACK_DAYS));
            }
            _ => {}
        }
    }
}

/// How the secret is written, as the end of a message about `key`.
fn example_of(key: &str, credential: CredentialKeys) -> String {
    if key != credential.secret {
        return String::new();
    }
    format!(": write {key}: {{env: NAME}} or {key}: {{file: PATH}}")
}

/// How an account's platform is reached.
struct Reach {
    base_url: String,
    proxy_url: Option<SecretString>,
    ca_file: Option<std::path::PathBuf>,
}

fn readable(file: &Path) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("cannot read {}: {error}", file.display());
    // Asked first, as opening a pipe would wait for its other end.
    if !std::fs::metadata(file).map_err(fail)?.is_file() {
        return Err(format!("{} is not a file", file.display()));
    }
    std::fs::File::open(file).map(|_| ()).map_err(fail)
}

fn source_config(
    source: Box<dyn Source>,
    account: &Arc<Account>,
    common: &Common,
    (poll_interval, names): (Duration, bool),
) -> SourceConfig {
    let api = source.api();
    let platform = account.credential.platform;
    let source: Arc<dyn Source> = match &account.pseudonyms {
        Some(pseudonyms) => Arc::new(PseudonymizedSource::new(source, Arc::clone(pseudonyms))),
        None => source.into(),
    };
    let zone = match &common.zone {
        Some(zone) => zone.clone(),
        // The database is built in, so it has the name.
        None if platform.has_zones() => Zone::named(super::USUAL_ZONE).unwrap_or_else(|_| Zone::china()),
        None => Zone::china(),
    };
    let ready_at = common.ready_at.unwrap_or_else(|| jiff::civil::time(api.ready_hour, 0, 0, 0));
    let lag_days = common.lag_days.and_then(|days| u16::try_from(days).ok()).unwrap_or(api.lag_days);
    SourceConfig {
        source,
        account: account.clone(),
        schedule: Schedule { zone, ready_at, lag_days },
        poll_interval,
        refresh_interval: common.refresh_interval.unwrap_or(api.refresh_interval),
        lookback_days: common.lookback_days.unwrap_or(LOOKBACK_DAYS).min(api.days_per_call),
        flip_after: common.flip_after.unwrap_or(FLIP_AFTER),
        concurrency: common.concurrency.unwrap_or(CONCURRENCY) as usize,
        names,
    }
}
