//! The secrets in force, and the access tokens that were issued for them.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::RwLock;

use super::company::{Company, id};

/// Issued tokens that are remembered; more than a program with bad manners asks for in a day.
const REMEMBERED: usize = 10_000;

/// A secret of the company that can be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// The WeCom app that may call everything.
    Wecom,
    /// The WeCom app for customer service.
    WecomKf,
    /// The key that signs Tencent's UserSig.
    TencentDesk,
    /// The Feishu app.
    Feishu,
}

/// What a token that came with a call is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenState {
    Valid(Credential),
    Expired,
    Unknown,
}

/// The secrets and tokens of one company.
pub(super) struct Tokens {
    lifetime: SignedDuration,
    state: RwLock<State>,
}

struct State {
    seed: u64,
    secrets: HashMap<Credential, String>,
    issued: HashMap<String, (Credential, Timestamp)>,
    current: HashMap<Credential, String>,
    serial: u64,
}

impl Tokens {
    /// The company's first secrets, and no token yet.
    pub(super) fn new(company: &Company, lifetime: Duration) -> Self {
        let secrets = HashMap::from([
            (Credential::Wecom, company.secret.clone()),
            (Credential::WecomKf, company.kf_secret.clone()),
            (Credential::TencentDesk, company.secret_key.clone()),
            (Credential::Feishu, company.app_secret.clone()),
        ]);
        let (issued, current) = (HashMap::new(), HashMap::new());
        let state = State { seed: company.seed, secrets, issued, current, serial: 0 };
        Self { lifetime: SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::MAX), state: RwLock::new(state) }
    }

    /// The secret that is in force.
    pub(super) fn secret(&self, credential: Credential) -> String {
        self.state.read().secrets.get(&credential).cloned().unwrap_or_default()
    }

    /// The token of a credential and the seconds that it has left: the one already issued as long as it has at least
    /// `margin` left, else a new one. The old one stays valid until its time.
    pub(super) fn issue(&self, credential: Credential, now: Timestamp, margin: SignedDuration) -> (String, i64) {
        // A lifetime shorter than the margin would give a new token with every call.
        let margin = margin.min(self.lifetime / 4);
        let mut state = self.state.write();
        if let Some(token) = state.current.get(&credential)
            && let Some((_, ends)) = state.issued.get(token)
            && ends.duration_since(now) > margin
        {
            return (token.clone(), ends.duration_since(now).as_secs());
        }
        state.serial += 1;
        let text = id(state.seed, &format!("token {} {}", state.serial, now.as_nanosecond()), 64);
        let token = if credential == Credential::Feishu { format!("t-{}", &text[..40]) } else { text };
        let ends = now.saturating_add(self.lifetime).unwrap_or(Timestamp::MAX);
        if state.issued.len() >= REMEMBERED {
            state.issued.retain(|_, (_, ends)| *ends > now);
        }
        state.issued.insert(token.clone(), (credential, ends));
        state.current.insert(credential, token.clone());
        (token, self.lifetime.as_secs())
    }

    /// What `token` is worth.
    pub(super) fn standing(&self, token: &str, now: Timestamp) -> TokenState {
        match self.state.read().issued.get(token) {
            Some((credential, ends)) if *ends > now => TokenState::Valid(*credential),
            Some(_) => TokenState::Expired,
            None => TokenState::Unknown,
        }
    }

    /// Forgets every token.
    pub(super) fn revoke(&self) {
        let mut state = self.state.write();
        state.issued.clear();
        state.current.clear();
    }

    /// Replaces a secret, which voids its tokens; returns the new one.
    pub(super) fn rotate(&self, credential: Credential) -> String {
        let mut state = self.state.write();
        state.serial += 1;
        let secret = id(state.seed, &format!("secret {}", state.serial), 43);
        state.secrets.insert(credential, secret.clone());
        state.issued.retain(|_, (holder, _)| *holder != credential);
        state.current.remove(&credential);
        secret
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn tokens() -> Tokens {
        Tokens::new(&Company::new(10, 1), Duration::from_secs(7200))
    }

    #[test]
    fn a_token_is_issued_again_until_it_expires() {
        let tokens = tokens();
        let (first, life) = tokens.issue(Credential::Wecom, at(0), SignedDuration::ZERO);
        assert_eq!(life, 7200);
        assert_eq!(tokens.issue(Credential::Wecom, at(7000), SignedDuration::ZERO), (first.clone(), 200));
        assert_eq!(tokens.standing(&first, at(7199)), TokenState::Valid(Credential::Wecom));
        assert_eq!(tokens.standing(&first, at(7200)), TokenState::Expired);
        assert_ne!(tokens.issue(Credential::Wecom, at(7200), SignedDuration::ZERO).0, first);
    }

    #[test]
    fn feishu_keeps_the_old_token_valid_beside_the_new_one() {
        let tokens = tokens();
        let margin = SignedDuration::from_secs(1800);
        let (first, _) = tokens.issue(Credential::Feishu, at(0), margin);
        let (second, life) = tokens.issue(Credential::Feishu, at(5500), margin);
        assert_ne!(first, second);
        assert_eq!(life, 7200);
        assert_eq!(tokens.standing(&first, at(5600)), TokenState::Valid(Credential::Feishu));
    }

    #[test]
    fn a_new_secret_voids_the_tokens_of_the_old() {
        let tokens = tokens();
        let (old, _) = tokens.issue(Credential::Wecom, at(0), SignedDuration::ZERO);
        let (kf, _) = tokens.issue(Credential::WecomKf, at(0), SignedDuration::ZERO);
        let secret = tokens.rotate(Credential::Wecom);
        assert_eq!(tokens.secret(Credential::Wecom), secret);
        assert_eq!(tokens.standing(&old, at(1)), TokenState::Unknown);
        assert_eq!(tokens.standing(&kf, at(1)), TokenState::Valid(Credential::WecomKf));
        tokens.revoke();
        assert_eq!(tokens.standing(&kf, at(1)), TokenState::Unknown);
    }
}
