//! Keeps every source's page up to date: a worker each, and what all of them share.

mod ask;
mod call;
mod health;
mod ledger;
mod page;
mod page_end;
mod parts;
mod probe;
mod queue;
mod report;
mod round;
mod runner;
mod targets;
mod tend;
mod timetable;
mod trouble;
mod worker;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::config::SourceConfig;
use crate::day::{Clock, Day, Zone};
use crate::discovery::Discovery;
use crate::exposition::Exposition;
use crate::source::{Api, apis};
use crate::store::{CompanyClaim, Store, StoreError};
use crate::telemetry::Telemetry;

pub(crate) use ask::{Answers, Halving, ask};
pub(crate) use ledger::{FIRST_REFRESH, scattered};
pub use probe::{Step, probe};
pub(crate) use runner::{Runner, UNAVAILABLE_IN_A_ROW};
pub(crate) use targets::{TargetTree, batches};
pub use tend::{settle_store, tend_store};
pub use worker::Worker;

/// How old the size of the store may be that a scrape shows.
const SIZE_AGE: Duration = Duration::from_secs(1);

/// How often old days are dropped.
const HOUSEKEEPING: Duration = Duration::from_hours(1);

/// How long workers may take to stop: the last answers of their rounds are stored.
const LAST_STORING: Duration = Duration::from_secs(5);

/// What all workers share.
#[derive(Clone, Debug)]
pub struct Context {
    /// The clock that days, pauses and refreshes go by.
    pub clock: Clock,
    /// Asks the platforms.
    pub client: Client,
    /// Fetches the lists of subjects.
    pub discovery: Discovery,
    /// Keeps what was answered.
    pub store: Store,
    /// Shows it.
    pub exposition: Exposition,
    /// Holds the states of the sources.
    pub telemetry: Telemetry,
    /// Workers wake up to this long after a day is ready, each at its own time.
    pub jitter: Duration,
}

impl Context {
    /// The parts around `store`: nothing is shown yet, workers wake without jitter, and a platform that could not
    /// answer is asked again after about `repeat_delay`, then twice that.
    #[must_use]
    pub fn new(store: Store, telemetry: Telemetry, clock: Clock, repeat_delay: Duration) -> Self {
        let client = Client::new(clock.clone(), telemetry.clone(), repeat_delay);
        Self {
            discovery: Discovery::new(client.clone(), store.clone(), clock.clone()),
            exposition: Exposition::new(telemetry.clone(), &apis()),
            store,
            client,
            telemetry,
            clock,
            jitter: Duration::ZERO,
        }
    }

    /// The same, in which calls and lists wait for no pause longer than `patience`.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        let client = self.client.with_patience(patience);
        let discovery = Discovery::new(client.clone(), self.store.clone(), self.clock.clone());
        Self { client, discovery, ..self }
    }

    /// Makes sure that the store has figures of no other company under the names of these accounts.
    ///
    /// # Errors
    /// [`StoreError::OtherCompany`] where it has. Other faults are ignored here: storing figures reports them.
    pub async fn claim(&self, sources: &[SourceConfig]) -> Result<(), StoreError> {
        let claim = |config: &SourceConfig| CompanyClaim {
            source: config.source.api().name,
            account: config.account.name.clone(),
            platform: config.account.credential.platform.name(),
            company: config.account.credential.id.clone(),
        };
        match self.store.claim(sources.iter().map(claim).collect()).await {
            Err(error) if !matches!(error, StoreError::OtherCompany { .. }) => {
                tracing::warn!("cannot note whose figures are to be stored: {error}");
                Ok(())
            }
            claimed => claimed,
        }
    }
}

impl Context {
    /// Forgets the names of people in accounts that are not to show them any more.
    pub async fn forget_names(&self, sources: &[SourceConfig]) {
        let infos =
            || apis().into_iter().filter_map(|api| api.row_names).filter(|info| info.people).map(|info| info.name);
        let mut shown: BTreeMap<&str, bool> = BTreeMap::new();
        for config in sources {
            *shown.entry(config.account.name.as_str()).or_default() |= config.names;
        }
        for (account, _) in shown.into_iter().filter(|(_, names)| !names) {
            match self.store.forget_names(account, infos().collect()).await {
                Ok(0) => {}
                Ok(names) => tracing::info!(account, names, "deleted names of people from the store: names is false"),
                Err(error) => tracing::error!(account, "cannot delete names of people from the store: {error}"),
            }
        }
    }
}

/// The workers of a running program.
#[derive(Debug)]
pub struct Poller {
    context: Context,
    started: Timestamp,
    shown: Vec<(&'static Api, String)>,
    workers: JoinSet<()>,
    stop: CancellationToken,
}

impl Poller {
    /// Restores the pages of `sources`, then starts their workers.
    ///
    /// # Errors
    /// [`StoreError`] where the pages can't be read.
    pub async fn start(context: Context, sources: Vec<SourceConfig>) -> Result<Self, StoreError> {
        let started = context.clock.now();
        let mut poller =
            Self { context, started, shown: Vec::new(), workers: JoinSet::new(), stop: CancellationToken::new() };
        poller.raise(sources).await?;
        Ok(poller)
    }

    /// Stops the workers and starts those of `sources`: what both have stays shown, what only the old had vanishes.
    ///
    /// A page that the store does not give now is read again by its worker.
    pub async fn replace(&mut self, sources: Vec<SourceConfig>) {
        if let Err(error) = self.raise(sources).await {
            tracing::error!("cannot read a page, which is tried again: {error}");
        }
    }

    /// Does that, and gives the first error of reading a page; all workers run nevertheless.
    async fn raise(&mut self, sources: Vec<SourceConfig>) -> Result<(), StoreError> {
        self.stop().await;
        self.context.client.reload().await;
        self.context.discovery.reload();
        let key = |config: &SourceConfig| (config.source.api(), config.account.name.clone());
        let kept: Vec<_> = sources.iter().map(key).collect();
        for (api, account) in &self.shown {
            if !kept.iter().any(|(other, name)| other.name == api.name && name == account) {
                self.context.exposition.remove(api, account);
                self.context.telemetry.remove_source(api.name, account);
            }
        }
        self.shown = kept;
        self.stop = CancellationToken::new();
        let (mut workers, mut restored) = (Vec::new(), Ok(()));
        for config in sources {
            let mut worker = Worker::new(self.context.clone(), config, self.started);
            restored = restored.and(worker.restore().await);
            workers.push(worker);
        }
        for worker in workers {
            self.workers.spawn(worker.run(self.stop.clone()));
        }
        restored
    }

    /// Stops the workers; questions that are under way are dropped, and asked again after the next start. What has come
    /// is stored first, as far as the store does so in time.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        let stopped = async { while self.workers.join_next().await.is_some() {} };
        if timeout(LAST_STORING, stopped).await.is_err() {
            tracing::warn!("the store is slow: the last answers may be asked for again");
            // They go on storing as long as the program runs.
            self.workers.detach_all();
        }
    }
}

/// Drops days older than `retention_days` from the store, and reports its size, until `shutdown`.
pub async fn keep_house(context: Context, retention_days: u32, shutdown: CancellationToken) {
    tokio::join!(drop_old_days(&context, retention_days, &shutdown), tell_size(&context, &shutdown));
}

/// Reports the size of the store, not during a scrape: a disk that hangs must not hold that up.
async fn tell_size(context: &Context, shutdown: &CancellationToken) {
    loop {
        let store = context.store.clone();
        let size = tokio::task::spawn_blocking(move || store.size_bytes());
        tokio::select! {
            () = shutdown.cancelled() => return,
            size = size => if let Ok(size) = size {
                context.telemetry.set_store_size(size);
            },
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(SIZE_AGE) => {}
        }
    }
}

async fn drop_old_days(context: &Context, retention_days: u32, shutdown: &CancellationToken) {
    loop {
        let today = Day::containing(context.clock.now(), &Zone::china());
        let forgotten = tokio::select! {
            // A disk that hangs does not keep the program from ending.
            () = shutdown.cancelled() => return,
            forgotten = context.store.forget(today, retention_days) => forgotten,
        };
        match forgotten {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "dropped what is older than the retention"),
            Err(error) => tracing::error!("cannot drop old days: {error}"),
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = context.clock.sleep(HOUSEKEEPING) => {}
        }
    }
}
