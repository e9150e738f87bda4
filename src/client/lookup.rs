//! Looks names up on threads of its own: a name server that hangs then holds up its own account only.

use std::io;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::thread;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::{Semaphore, oneshot};

/// Threads that one account may have waiting; the system gives a lookup up after some ten seconds.
const AT_ONCE: usize = 2;

/// The system's resolver, for one account.
#[derive(Debug)]
pub(super) struct Lookup(Arc<Semaphore>);

impl Default for Lookup {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Resolve for Lookup {
    fn resolve(&self, name: Name) -> Resolving {
        let turns = Arc::clone(&self.0);
        Box::pin(async move {
            let turn = turns.acquire_owned().await?;
            let (sender, found) = oneshot::channel();
            thread::Builder::new().name("lookup".to_owned()).spawn(move || {
                let addresses = (name.as_str(), 0).to_socket_addrs().map(Vec::from_iter);
                drop(turn);
                // The connection attempt may have timed out meanwhile.
                let _ = sender.send(addresses);
            })?;
            let addresses = found.await.map_err(|_| io::Error::other("the lookup broke off"))??;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn resolved(lookup: &Lookup, name: &str) -> bool {
        lookup.resolve(name.parse().unwrap()).await.is_ok_and(|mut addresses| addresses.any(|it| it.ip().is_loopback()))
    }

    #[tokio::test]
    async fn names_that_nobody_answers_for_hold_up_their_own_account_alone() {
        let (ill, well) = (Lookup::default(), Lookup::default());
        assert!(resolved(&ill, "localhost").await && !resolved(&ill, "no-such-host.invalid").await);
        // As if a name server hung on both of its threads.
        let hanging = ill.0.acquire_many(AT_ONCE as u32).await.unwrap();
        assert!(waits(resolved(&ill, "localhost")).await);
        assert!(resolved(&well, "localhost").await);
        drop(hanging);
        assert!(resolved(&ill, "localhost").await);
    }

    async fn waits(future: impl Future<Output = bool>) -> bool {
        tokio::time::timeout(std::time::Duration::from_millis(50), future).await.is_err()
    }
}
