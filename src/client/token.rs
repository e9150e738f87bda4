//! Tokens: one for each credential, fetched when it is needed, renewed before it ends.

use secrecy::ExposeSecret;

use super::credential::{CachedToken, CredentialState};
use super::{Aim, Client, Failure, Verdict};
use crate::config::Account;
use crate::platform::{Call, Class, Login, Pass, Proof, Token};

impl Client {
    /// The account's token; one of the waiting tasks fetches it for all.
    pub(super) async fn token(&self, account: &Account, state: &CredentialState) -> Result<Token, Failure> {
        let mut slot = state.token.lock().await;
        let now = self.inner.clock.now();
        let credential = &account.credential;
        let secret = match &credential.proof {
            Proof::Secret(secret) => secret,
            Proof::Token(source) => return self.outside_token(account, state, source, &mut slot).await,
        };
        if let Some(held) = &mut *slot {
            if !held.current {
                let present = secret.read().ok();
                held.current = present.is_some_and(|secret| secret.expose_secret() == held.secret.expose_secret());
            }
            if held.current && now < held.token.renew {
                return Ok(held.token.clone());
            }
        }
        let usable =
            slot.as_ref().filter(|held| held.current && now < held.token.expires).map(|held| held.token.clone());
        if let Some(denial) = state.denial("", credential, now) {
            return Err(Failure::Denied(denial));
        }
        let secret = secret
            .read()
            .map_err(|error| Failure::Denied(state.deny(None, error.to_string(), None, credential, now)))?;
        let made = match credential.platform.admission(credential, &secret, now) {
            Login::Signed(token) => Ok(token),
            Login::Ask { call, pass, body } => self.fetch_token(account, state, &call, &pass, body.as_ref()).await,
        };
        match (made, usable) {
            (Ok(token), _) => {
                state.set_expiry(Some(token.expires));
                *slot = Some(CachedToken { token: token.clone(), secret, current: true });
                Ok(token)
            }
            // It is renewed early, so that a temporary failure does no harm.
            (Err(Failure::Unavailable(_) | Failure::Throttled(_)), Some(token)) => Ok(token),
            (Err(failure), _) => Err(failure),
        }
    }

    /// Asks for a token. Any answer without one refuses the account, whatever its code or form, unless the platform can't
    /// answer now: platforms ban addresses from which too many logins fail.
    async fn fetch_token(
        &self,
        account: &Account,
        state: &CredentialState,
        call: &Call,
        pass: &Pass,
        body: Option<&secrecy::SecretString>,
    ) -> Result<Token, Failure> {
        let failed = |text: String, wait| {
            let now = self.inner.clock.now();
            Failure::Denied(state.deny(None, format!("the login failed: {text}"), wait, &account.credential, now))
        };
        match self.exchange(account, state, call, pass, Aim::Token(body)).await {
            Ok(Verdict::Yes(mut reply)) => {
                let token = reply.read(|body| account.credential.platform.token(body, self.inner.clock.now()));
                token.map_err(|text| failed(format!("the answer at {text}"), None))
            }
            Ok(Verdict::No(refusal)) => Err(match refusal.class {
                Class::Throttled | Class::Unavailable => self.failure(account, state, call.api, refusal),
                _ => failed(refusal.to_string(), refusal.wait),
            }),
            Err(Failure::Malformed(text)) => Err(failed(text, None)),
            Err(failure) => Err(failure),
        }
    }

    /// Drops the token that was refused, unless another task has fetched a new one since.
    pub(super) async fn drop_token(&self, state: &CredentialState, refused: &Token) {
        let mut slot = state.token.lock().await;
        let is_it = |held: &CachedToken| held.token.value.expose_secret() == refused.value.expose_secret();
        if slot.as_ref().is_some_and(is_it) {
            *slot = None;
            state.set_expiry(None);
        }
    }
}
