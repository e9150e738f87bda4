//! All keys that the file may have, as `written` has them.

use super::file::ConfigFile;
use crate::yaml::{Each, Group, Key, Slot};

/// Every key path that the file may have, but for names of the operator's, such as `wecom[].contact.users`.
#[must_use]
pub fn known_keys() -> Vec<String> {
    let mut paths = Vec::new();
    each_key(&mut ConfigFile::new(), "", &mut |path, _| paths.push(path.to_owned()));
    paths
}

/// The keys below which nothing may be repeated, wherever they were written.
pub(super) fn secrets() -> Vec<&'static str> {
    let mut secrets = Vec::new();
    each_key(&mut ConfigFile::new(), "", &mut |_, key| {
        if key.secret && !secrets.contains(&key.name) {
            secrets.push(key.name);
        }
    });
    secrets
}

/// Shows `see` each key of `group` and below, with its path.
fn each_key(group: &mut dyn Group, path: &str, see: &mut dyn FnMut(&str, &Key<'_>)) {
    let dot = if path.is_empty() { "" } else { "." };
    for mut key in group.keys().into_iter().filter(Key::is_known) {
        let path = format!("{path}{dot}{}", key.name);
        see(&path, &key);
        match &mut key.slot {
            // What is below a secret key is a way to write the secret.
            _ if key.secret => {}
            Slot::Map(group) => each_key(*group, &path, see),
            Slot::List(_, each) => each_entry(*each, &format!("{path}[]"), see),
            // The names of a map of the operator's are no keys.
            Slot::Named(..) | Slot::Text(_) | Slot::Secret(_) | Slot::Words(..) | Slot::Refused(_) => {}
        }
    }
}

fn each_entry(each: &mut dyn Each, path: &str, see: &mut dyn FnMut(&str, &Key<'_>)) {
    if let Slot::Map(group) = each.entry(path) {
        each_key(group, path, see);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_known_keys_are_the_same() {
        let mut keys = known_keys();
        assert!(keys.contains(&"wecom[].contact.users".to_owned()));
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    #[test]
    fn the_keys_of_secrets_are_known() {
        let secrets = secrets();
        for key in ["secret", "app_secret", "secret_key", "proxy_url", "pseudonymize"] {
            assert!(secrets.contains(&key), "{key}: {secrets:?}");
        }
        for key in ["account", "contact", "users", "base_url"] {
            assert!(!secrets.contains(&key), "{key}");
        }
    }
}
