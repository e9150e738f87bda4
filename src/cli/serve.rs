//! `serve`: polls and serves until a signal ends it.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::dashboards::DASHBOARDS;
use super::signals::Signals;
use super::{Flags, Log, program};
use crate::client::Proxies;
use crate::config::{Config, SourceConfig};
use crate::http::{Access, AllowedHosts, App, Listeners, Reload, ServeEnd, Supervisor, bind};
use crate::poller::{Context, Poller, keep_house, settle_store, tend_store};

/// Serves the configuration file.
pub(super) async fn serve(flags: Flags, log: &Log) -> anyhow::Result<ExitCode> {
    let config = load(&flags)?;
    let proxies = Proxies::from_env()?;
    let context = program::assemble(&flags.storage_path, Duration::from_secs(flags.storage_patience))?;
    context.client.go_through(proxies);
    // On a disk that hangs, it would be waited for without end.
    let _held = if context.store.hangs() { None } else { program::hold(&flags.storage_path) };
    context.claim(&config.sources).await?;
    context.forget_names(&config.sources).await;
    if !context.store.hangs() {
        match program::store_remarks(&context, &flags.storage_path, &config.sources).await {
            Ok(remarks) => remarks.iter().for_each(|remark| tracing::warn!("{remark}")),
            Err(error) => tracing::warn!("cannot check what the store holds about people: {error}"),
        }
    }
    let bound = match Listeners::inherited().context("the sockets that systemd opened")? {
        Some(bound) => bound,
        None => bind(&flags.listen).await.context("cannot listen (--web.listen-address)")?,
    };
    context.telemetry.count_dropped_log_lines(log.dropped());
    run(flags, context, bound, config.sources, true).await
}

/// Loads the configuration file and logs its warnings.
fn load(flags: &Flags) -> anyhow::Result<Config> {
    let config = flags.config()?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    Ok(config)
}

/// Polls `sources` and serves their pages on `bound`; a reload loads the configuration file, where the
/// sources came from it.
pub(super) async fn run(
    flags: Flags,
    context: Context,
    bound: Listeners,
    sources: Vec<SourceConfig>,
    reloadable: bool,
) -> anyhow::Result<ExitCode> {
    // Before systemd hears that the program is ready, and may send a signal.
    let mut signals = Signals::listen()?;
    let shutdown = CancellationToken::new();
    let web = flags.web()?;
    // The figures of `demo` are not about real people.
    if reloadable {
        let addresses: Vec<_> = bound.addresses().iter().map(ToString::to_string).collect();
        for remark in web.remarks(&addresses, context.clock.now()) {
            tracing::warn!("{remark}");
        }
    }
    for address in bound.addresses() {
        tracing::info!(%address, "listening");
    }
    let poller: Arc<Mutex<Option<Poller>>> = Arc::default();
    let supervisor = Supervisor::from_env();
    let from = reloadable.then(|| flags.clone());
    let reload = reloading(context.clone(), from, Arc::clone(&poller), supervisor.clone());
    let ready = Arc::new(AtomicBool::new(false));
    let app = App {
        exposition: context.exposition.clone(),
        web,
        access: Access { hosts: AllowedHosts::new(&flags.allowed_hosts, &flags.listen), log: flags.access_log },
        telemetry: context.telemetry.clone(),
        telemetry_path: flags.telemetry_path,
        ready: Arc::clone(&ready),
        reload: flags.lifecycle.then(|| Arc::clone(&reload)),
        dashboards: DASHBOARDS,
        clock: context.clock.clone(),
    };
    if context.store.has_file() {
        context.telemetry.set_store_fault(context.store.fault());
    }
    *poller.lock().await = Some(Poller::start(context.clone(), sources).await?);
    context.telemetry.reload(true, context.clock.now());
    ready.store(true, Ordering::Release);
    // Until now connections wait in the kernel's queue: no scrape sees half of the restored pages.
    let serving = tokio::spawn(bound.serve(app, shutdown.clone()));
    supervisor.ready("polling and serving");
    let watchdog = tokio::spawn(supervisor.clone().feed_watchdog());
    let house = tokio::spawn(keep_house(context.clone(), flags.retention_days, shutdown.clone()));
    let tended = tokio::spawn(tend_store(context.clone(), shutdown.clone()));

    signals.reload_until_the_end(&reload).await;
    tracing::info!("ending: requests under way are answered; a second signal ends at once");
    supervisor.stopping();
    shutdown.cancel();
    let drained = tokio::select! {
        drained = serving => drained?,
        () = signals.end() => ServeEnd::Cut(0),
    };
    if let Some(mut poller) = poller.lock().await.take() {
        poller.stop().await;
    }
    house.await?;
    tended.await?;
    settle_store(&context).await;
    watchdog.abort();
    if let ServeEnd::Cut(connections) = drained {
        tracing::warn!(connections, "connections were cut");
    }
    Ok(ExitCode::SUCCESS)
}

/// A reload puts the whole new configuration in force, or keeps the old one and says why.
fn reloading(
    context: Context,
    flags: Option<Flags>,
    poller: Arc<Mutex<Option<Poller>>>,
    supervisor: Supervisor,
) -> Reload {
    let turn: Arc<Mutex<()>> = Arc::default();
    Arc::new(move || {
        let (context, flags) = (context.clone(), flags.clone());
        let (poller, supervisor, turn) = (Arc::clone(&poller), supervisor.clone(), Arc::clone(&turn));
        Box::pin(async move {
            // One at a time, or a file that can't be read would take all threads.
            let _turn = turn.lock().await;
            supervisor.reloading();
            let reload = async {
                let flags = flags.ok_or_else(|| "there is no configuration file to reload".to_owned())?;
                // On a thread that may block: the file may be on a file system that hangs.
                let loaded =
                    tokio::task::spawn_blocking(move || load(&flags)).await.map_err(|error| error.to_string())?;
                let config = loaded.map_err(|error| format!("{error:#}"))?;
                context.claim(&config.sources).await.map_err(|error| error.to_string())?;
                context.forget_names(&config.sources).await;
                let mut poller = poller.lock().await;
                let poller = poller.as_mut().ok_or_else(|| "the program is starting or ending".to_owned())?;
                poller.replace(config.sources).await;
                Ok(())
            };
            let done = reload.await;
            context.telemetry.reload(done.is_ok(), context.clock.now());
            supervisor.ready(if done.is_ok() {
                "polling and serving"
            } else {
                "the new configuration has errors; the old one is in use"
            });
            match &done {
                Ok(()) => tracing::info!("the configuration was loaded anew"),
                Err(error) => tracing::error!("the configuration stays as it was: {error}"),
            }
            done
        })
    })
}
