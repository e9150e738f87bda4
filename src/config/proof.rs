//! What proves an account: its secret, or a token from outside in its place.

use std::path::Path;

use secrecy::ExposeSecret;

use super::checking::FileChecks;
use super::file::{AccountEntry, BlockEntry};
use super::keys;
use super::token::WrittenToken;
use crate::files::rights_remark;
use crate::platform::{CredentialKeys, Proof, Secret, TokenSource};
use crate::printable::is_printable;

/// The key path of the first secret of `account` that is inline in the file.
pub(super) fn first_inline(account: &AccountEntry) -> Option<String> {
    let AccountEntry { platform, path, .. } = account;
    let key = platform.keys().secret;
    let inline = |secret: &Option<Secret>, path: String| matches!(secret, Some(Secret::Inline(_))).then_some(path);
    let token = platform.keys().token;
    inline(&account.secret, format!("{path}.{key}"))
        .or_else(|| account.token.first_inline(&format!("{path}.{token}")))
        .or_else(|| inline(&account.proxy_url, format!("{path}.{}", keys::PROXY_URL)))
        .or_else(|| inline(&account.pseudonymize.key, format!("{path}.{}.{}", keys::PSEUDONYMIZE, keys::PSEUDONYM_KEY)))
        .or_else(|| {
            account.blocks.iter().find_map(|BlockEntry { path, common, .. }| {
                let own = inline(&common.secret, format!("{path}.{key}"));
                own.or_else(|| common.token.first_inline(&format!("{path}.{token}")))
            })
        })
}

impl FileChecks<'_> {
    /// The secret, or the token in its place, that was written at `path`.
    pub(super) fn proof(
        &mut self,
        secret: Option<Secret>,
        token: WrittenToken,
        keys: CredentialKeys,
        path: &str,
        insecure_http: bool,
    ) -> Option<Proof> {
        let of_token = format!("{path}.{}", keys.token);
        if secret.is_some() && token.is_written() {
            self.faults.push(format!("{of_token}: it replaces {}: leave one of both out", keys.secret));
        }
        let secret = self.issued_secret(secret, &format!("{path}.{}", keys.secret));
        let (folder, read) = (self.folder, self.read);
        let header = |written: Secret, path: &str, faults: &mut Vec<String>| {
            let secret = beside(folder, written.clone());
            match read(&secret) {
                Err(error) => faults.push(format!("{path}: {error}{}", search_remark(&written, folder))),
                Ok(text) if !text.expose_secret().chars().all(is_printable) => {
                    faults.push(format!("{path}: {INVISIBLE}"));
                }
                Ok(_) => {}
            }
            Some(secret)
        };
        let written = token.file().map(|file| Secret::File(file.clone()));
        let source = token.source(&of_token, folder, insecure_http, &mut self.faults, header);
        if let Some(TokenSource::File(file)) = &source
            && let Err(error) = read(&Secret::File(file.clone()))
        {
            // Something else writes it, perhaps later.
            let searched = written.map(|written| search_remark(&written, folder)).unwrap_or_default();
            self.warnings.push(format!("{of_token}.file: {error}{searched}; the account waits for it"));
        }
        if let Some(TokenSource::File(file)) = &source
            && let Some(remark) = rights_remark(file, true)
        {
            self.warnings.push(format!("{of_token}.file: {remark}"));
        }
        secret.map(Proof::Secret).or(source.map(Proof::Token))
    }

    pub(super) fn secret(&mut self, secret: Option<Secret>, path: &str) -> Option<Secret> {
        let written = secret?;
        let secret = beside(self.folder, written.clone());
        if let Err(error) = (self.read)(&secret) {
            self.faults.push(format!("{path}: {error}{}", search_remark(&written, self.folder)));
        } else if let Secret::File(file) = &secret
            && let Some(remark) = rights_remark(file, true)
        {
            let warning = format!("{path}: {remark}");
            // Blocks may share a secret.
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        Some(secret)
    }

    /// A secret that a platform has issued: one that can't be that is a fault, one that can hardly be that is warned of.
    fn issued_secret(&mut self, secret: Option<Secret>, path: &str) -> Option<Secret> {
        let secret = self.secret(secret, path)?;
        let text = (self.read)(&secret).ok();
        let text = text.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
        if let Some(why) = no_secret(text) {
            self.faults.push(format!("{path}: {why}"));
        } else if let Some(why) = hardly_a_secret(text) {
            self.warnings.push(format!("{path}: {why}"));
        }
        Some(secret)
    }
}

/// The error of a secret with characters in it that can't be seen.
const INVISIBLE: &str = "there are line ends, control or other invisible characters in it: copy it anew, on one line";

/// Why `text` can't be the secret that a platform has issued, without any of it.
fn no_secret(text: &str) -> Option<&'static str> {
    if !text.chars().all(is_printable) {
        Some(INVISIBLE)
    } else if text.contains(['"', '\'']) {
        Some("there are quotes in it, which no platform's secret has: write it without them where the secret is kept")
    } else {
        None
    }
}

/// Why `text` is most likely not the secret that a platform has issued, without any of it.
fn hardly_a_secret(text: &str) -> Option<&'static str> {
    let around = |first: char, last: char| text.starts_with(first) && text.ends_with(last);
    if text.starts_with('$') {
        Some("it begins with `$` and is taken as it is: for an environment variable write {env: NAME}")
    } else if around('<', '>') {
        Some("it is in `<` and `>`, like a placeholder: write the secret itself")
    } else if text.contains(char::is_whitespace) {
        Some("there are blanks in it, which no platform's secret has")
    } else {
        None
    }
}

/// Where the file of a secret that was `written` is looked for, as the end of a message; `folder` is the configuration's.
pub(super) fn search_remark(written: &Secret, folder: &Path) -> String {
    let Secret::File(file) = written else { return String::new() };
    let text = file.to_string_lossy();
    if text.starts_with('~') {
        return "; `~` is not expanded: write the whole path, such as /home/NAME/secret".to_owned();
    }
    if text.contains('$') {
        return "; `$NAME` is not expanded in a path: write the whole path".to_owned();
    }
    if file.is_absolute() {
        return String::new();
    }
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    format!("; paths are relative to the configuration's folder, {}", whole.display())
}

/// `secret` with the name of its file relative to `folder`.
fn beside(folder: &Path, secret: Secret) -> Secret {
    match secret {
        Secret::File(file) => Secret::File(folder.join(file)),
        other => other,
    }
}

/// What keeps the state of a login from that of a token from outside.
pub(super) fn way(proof: &Proof) -> &'static str {
    match proof {
        Proof::Secret(_) => "",
        Proof::Token(_) => " outside",
    }
}
