//! Tokens: one for each credential, fetched when it is needed, renewed before it ends.

use secrecy::ExposeSecret;

use super::admittance::{Admittance, Held};
use super::{Aim, Client, Failure, Said};
use crate::config::Account;
use crate::vendor::{Admission, Call, Pass, Token};

impl Client {
    /// The account's token; fetched by one of those who wait for it.
    pub(super) async fn token(&self, account: &Account, admittance: &Admittance) -> Result<Token, Failure> {
        let mut slot = admittance.token.lock().await;
        let now = self.0.clock.now();
        let credential = &account.credential;
        if let Some(held) = &mut *slot {
            if !held.current {
                let present = credential.secret.read().ok();
                held.current = present.is_some_and(|secret| secret.expose_secret() == held.secret.expose_secret());
            }
            if held.current && now < held.token.renew {
                return Ok(held.token.clone());
            }
        }
        let usable =
            slot.as_ref().filter(|held| held.current && now < held.token.expires).map(|held| held.token.clone());
        if let Some(denial) = admittance.denial("", credential, now) {
            return Err(Failure::Denied(denial));
        }
        let secret = credential
            .secret
            .read()
            .map_err(|error| Failure::Denied(admittance.deny(None, error.to_string(), credential, now)))?;
        let made = match credential.vendor.admission(credential, &secret, now) {
            Admission::Signed(token) => Ok(token),
            Admission::Ask { call, pass, body } => {
                self.fetch_token(account, admittance, &call, &pass, body.as_ref()).await
            }
        };
        match (made, usable) {
            (Ok(token), _) => {
                admittance.set_expiry(Some(token.expires));
                *slot = Some(Held { token: token.clone(), secret, current: true });
                Ok(token)
            }
            // It is renewed early, so that a failure may pass.
            (Err(Failure::Unavailable(_) | Failure::Throttled(_)), Some(token)) => Ok(token),
            (Err(failure), _) => Err(failure),
        }
    }

    async fn fetch_token(
        &self,
        account: &Account,
        admittance: &Admittance,
        call: &Call,
        pass: &Pass,
        body: Option<&secrecy::SecretString>,
    ) -> Result<Token, Failure> {
        match self.exchange(account, admittance, call, pass, Aim::Token(body)).await? {
            Said::Yes(answer) => {
                account.credential.vendor.token(&answer, self.0.clock.now()).map_err(Failure::Malformed)
            }
            Said::No(refusal) => Err(self.failure(account, admittance, call.api, refusal)),
        }
    }

    /// Drops the token that was refused, unless somebody has fetched another since.
    pub(super) async fn drop_token(&self, admittance: &Admittance, refused: &Token) {
        let mut slot = admittance.token.lock().await;
        let is_it = |held: &Held| held.token.value.expose_secret() == refused.value.expose_secret();
        if slot.as_ref().is_some_and(is_it) {
            *slot = None;
            admittance.set_expiry(None);
        }
    }
}
