//! The keys that the checks of the whole file name in their messages.

pub(super) const ACCOUNT: &str = "account";
pub(super) const BASE_URL: &str = "base_url";
pub(super) const PROXY_URL: &str = "proxy_url";
pub(super) const CA_FILE: &str = "ca_file";
pub(super) const LABELS: &str = "labels";
pub(super) const PSEUDONYMIZE: &str = "pseudonymize";
pub(super) const PSEUDONYM_KEY: &str = "key";
pub(super) const LOOKBACK_DAYS: &str = "lookback_days";
pub(super) const RATE_LIMIT: &str = "rate_limit";
