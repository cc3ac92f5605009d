//! `zc run`: attach, give up what serving does not take, read, book, serve.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    time,
};
use zc_common::slot::{Care, Look};

use super::{
    attach_cheaply,
    books::Books,
    budget::Warden,
    coverage::{Found, probes},
    grouping::Plan,
    least,
    reload::Reloader,
    self_test,
};
use crate::{
    cli::{self, HistoryFlags, Run, WebFlags},
    config::Config,
    engine::{
        history::{History, Shared},
        ledger::Ledger,
        probes::Probes,
        sampler::{self, Asker, Source, Standing},
        snapshot::Snapshot,
        summary::Copies,
        tree::Root,
    },
    kernel::{loader::Kernel, meter, object},
    logging::Log,
    privileges::Realtime,
    server::{self, Limits, Served, Site, WebConfig},
    service::{listen::Bound, notify},
    shutdown::Shutdown,
    view::prometheus::Facts,
};

impl Source for Kernel {
    fn read(&mut self, care: Care, book: &mut dyn FnMut(Look<'_>) -> bool) -> Result<()> {
        self.flush_log();
        Kernel::read(self, care, book)
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn capacity(&self) -> u32 {
        self.slots.capacity()
    }

    fn lost(&self) -> Result<Vec<(&'static str, u64)>> {
        Kernel::lost(self)
    }
}

/// The kernel side as the daemon runs it: within a budget, if there is one.
struct Watched {
    kernel: Kernel,
    warden: Warden,
    found: Found,
    probes: Arc<Probes>,
}

impl Source for Watched {
    fn read(&mut self, care: Care, book: &mut dyn FnMut(Look<'_>) -> bool) -> Result<()> {
        Source::read(&mut self.kernel, care, book)
    }

    fn now(&self) -> Instant {
        self.kernel.now()
    }

    fn capacity(&self) -> u32 {
        self.kernel.capacity()
    }

    fn lost(&self) -> Result<Vec<(&'static str, u64)>> {
        self.kernel.lost()
    }

    fn standing(&mut self) -> Result<Standing> {
        if self.warden.look(&mut self.kernel)? {
            self.probes = probes(&self.kernel.attachments, &self.found).into();
        }
        Ok((Arc::clone(&self.probes), self.warden.tax(&self.kernel)?))
    }
}

/// Runs until asked to end: attaches, gives up what serving does not take, and serves.
///
/// # Errors
///
/// If the address is taken, or the kernel refuses the probes.
pub fn run(flags: &Run, config: Config, log: Log) -> Result<()> {
    // Before anything is attached: where the address is taken it ends here.
    let bound = Bound::passed_or(&flags.web.listen_addresses)?;
    let web = flags.web.web_config.as_deref().map(WebConfig::new).transpose()?;
    let plan = Plan::new(&flags.grouping)?;
    let kept = plan.kept();
    let mut kernel = attach_cheaply(flags.mode_switches, kept, flags.attach)?;
    let ledger = plan.ledger(&flags.grouping, &mut kernel)?;
    warn_of_gaps(&kernel);
    let (mut kernel, ledger, found) = opened(kernel, ledger, flags.self_test)?;
    // Threads have what their maker has: from here on none can do more than read.
    let realtime = || flags.realtime.then(Realtime::begin).transpose();
    let (start, realtime) = if flags.no_sandbox {
        (meter::asking(), realtime()?)
    } else {
        least::give_up(&mut kernel, realtime)?
    };
    let probes = probes(&kernel.attachments, &found).into();
    let source = Watched { kernel, warden: Warden::new(flags.budget, start), found, probes };
    let history = remembered(flags.history);
    let seen = remember(history.clone());
    let (asker, sampler) = sampler::start(source, ledger, flags.interval, seen)?;
    drop(realtime);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(async {
        let shutdown = Shutdown::new()?;
        let hangup = signal(SignalKind::hangup()).context("cannot catch signals")?;
        let reloader = Reloader { config, log, asker: asker.clone(), keeps_argv: kept.argv };
        tokio::spawn(reloader.whenever(hangup));
        serve(flags, (bound, web), (asker, history), shutdown).await?;
        notify::tell(notify::State::Stopping);
        // Drops the kernel side, which detaches every probe.
        tokio::task::spawn_blocking(|| sampler.end()).await??;
        tracing::info!("every probe is detached");
        Ok(())
    })
}

/// What is remembered, if anything is to be.
fn remembered(flags: HistoryFlags) -> Option<Shared> {
    let memory = usize::try_from(flags.memory.0).ok().filter(|memory| *memory > 0)?;
    Some(Arc::new(Mutex::new(History::new(memory, flags.last))))
}

/// Puts each snapshot there.
fn remember(history: Option<Shared>) -> impl FnMut(Instant, &Snapshot) + Send + 'static {
    let began = Instant::now();
    move |now, snapshot| {
        if let Some(history) = &history {
            // Whoever panicked with it only read it.
            let mut history = history.lock().unwrap_or_else(PoisonError::into_inner);
            history.look(now.saturating_duration_since(began), snapshot);
        }
    }
}

/// Serves what is read and booked.
async fn serve(
    flags: &Run,
    (bound, web): (Vec<Bound>, Option<WebConfig>),
    (asker, history): (Asker, Option<Shared>),
    shutdown: Shutdown,
) -> Result<()> {
    let copies = match flags.copies {
        cli::Copies::Best => Copies::Best,
        cli::Copies::Both => Copies::Both,
    };
    let facts = Facts { object: object::digest(), copies };
    let mut latest = asker.latest.clone();
    let scheme = if web.as_ref().is_some_and(WebConfig::speaks_tls) { "https" } else { "http" };
    let site = site(&flags.web, web, (asker, history), facts)?;
    if flags.no_sandbox {
        tracing::warn!("zc keeps every privilege it was started with (--no-sandbox)");
    } else {
        least::confine()?;
    }
    let listeners = listen(bound)?;
    for listener in &listeners {
        let (address, path) = (listener.local_addr()?, &flags.web.telemetry_path);
        tracing::info!("zc serves {scheme}://{address}{path}");
    }
    notify::tell(notify::State::Ready(&status(&latest.borrow())));
    tokio::spawn(keep_alive(latest.clone(), flags.interval, notify::patience(), |status| {
        notify::tell(notify::State::Alive(status));
    }));
    tokio::select! {
        served = server::serve(listeners, site, shutdown) => served?,
        () = ended(&mut latest) => bail!("the sampler ended by itself; see the log, and report it"),
    }
    Ok(())
}

/// Has others connect to every address.
fn listen(bound: Vec<Bound>) -> Result<Vec<TcpListener>> {
    bound.into_iter().map(|bound| Ok(TcpListener::from_std(bound.listen()?)?)).collect()
}

/// What is served.
fn site(
    flags: &WebFlags,
    config: Option<WebConfig>,
    known: (Asker, Option<Shared>),
    facts: Facts,
) -> Result<Site> {
    let requests = flags.max_requests.into();
    let served = Served::new(known, facts, flags.telemetry_path.clone(), requests)?;
    let limits = Limits { connections: flags.max_connections.into() };
    Ok(Site { router: server::router(served), limits, config })
}

/// The kernel side and the ledger, open; what a self-test found, if one is wanted. It runs
/// before anything is served, so that its marks never change and nothing is lost of what
/// others do meanwhile. A failure of it is no reason not to count.
fn opened(kernel: Kernel, ledger: Ledger, test: bool) -> Result<(Kernel, Ledger, Found)> {
    if !test {
        return Ok((kernel, ledger, Found::new()));
    }
    let mut books = Books::open_with(kernel, ledger, Root::Process(0))?;
    // Only an audit sets breakpoints.
    let found = match self_test::run(&mut books, Err(anyhow!("not asked for")), |_| true) {
        Ok((_, found)) => found,
        Err(error) => {
            tracing::warn!("the self-test failed, so that routes are unverified: {error:#}");
            Found::new()
        }
    };
    Ok((books.kernel, books.ledger, found))
}

/// Tells the service manager that it still reads, with every reading but not too often: one that
/// hangs is not told of.
async fn keep_alive(
    mut latest: watch::Receiver<Arc<Snapshot>>,
    interval: Duration,
    patience: Option<Duration>,
    tell: impl Fn(&str),
) {
    const SELDOM: Duration = Duration::from_secs(10);
    if patience.is_some_and(|patience| patience < interval * 2) {
        tracing::warn!("the watchdog is more impatient than two intervals: it will restart zc");
    }
    let pause = patience.map_or(SELDOM, |patience| patience / 4);
    let mut told: Option<time::Instant> = None;
    while latest.changed().await.is_ok() {
        if told.is_none_or(|told| told.elapsed() >= pause) {
            let status = status(&latest.borrow_and_update());
            tell(&status);
            told = Some(time::Instant::now());
        }
    }
}

/// How it is, for people.
fn status(snapshot: &Snapshot) -> String {
    let (groups, threads) = (snapshot.groups.len(), snapshot.threads);
    format!("counts {threads} threads in {groups} groups")
}

/// Resolves when nobody publishes snapshots any more.
async fn ended(latest: &mut watch::Receiver<Arc<Snapshot>>) {
    while latest.changed().await.is_ok() {}
}

/// Says out loud what will be unknown.
fn warn_of_gaps(kernel: &Kernel) {
    let down = kernel
        .attachments
        .iter()
        .filter(|a| a.hook.is_none() && !a.is_missing() && !a.is_unwanted());
    let (copying, counting): (Vec<_>, Vec<_>) = down.partition(|a| a.probe.sees_copies());
    for attachment in counting {
        for (hook, why) in &attachment.refused {
            tracing::warn!(
                "the probe {} is down ({hook}: {why}): what it measures is unknown; see zc doctor",
                attachment.probe.name
            );
        }
    }
    if let Some((hook, why)) = copying.first().and_then(|attachment| attachment.refused.first()) {
        tracing::warn!(
            "{} of the probes that see copies are down (the first: {hook}: {why}): on their routes \
             copies are inferred from system calls, not measured; see zc doctor",
            copying.len()
        );
    }
    for attachment in kernel.attachments.iter().filter(|a| a.is_unwanted()) {
        tracing::info!(
            "the probe {} is off, as it was not asked for: what it measures is unknown \
             (--mode-switches)",
            attachment.probe.name
        );
    }
    if !kernel.reads_kernel {
        tracing::warn!(
            "the kernel does not let programs read its memory (lockdown): endpoints are unknown, \
             and with them the copies"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_hears_of_readings_and_of_no_reading_nothing() {
        const SECOND: Duration = Duration::from_secs(1);
        let (publish, latest) = watch::channel(Arc::new(Snapshot::default()));
        let told = Cell::new(0);
        let tell = |status: &str| {
            assert_eq!(status, "counts 7 threads in 0 groups");
            told.set(told.get() + 1);
        };
        let alive = keep_alive(latest, SECOND, Some(SECOND * 8), tell);
        let sampler = async {
            let read = || publish.send(Arc::new(Snapshot { threads: 7, ..Snapshot::default() }));
            // With every reading, but not more often than a quarter of its patience.
            for _ in 0..8 {
                read().unwrap();
                time::sleep(SECOND).await;
            }
            assert_eq!(told.get(), 4);
            // The sampler hangs, until systemd restarts zc.
            time::sleep(SECOND * 3600).await;
            assert_eq!(told.get(), 4);
            // Or goes on.
            read().unwrap();
            time::sleep(SECOND).await;
            assert_eq!(told.get(), 5);
            drop(publish);
        };
        tokio::join!(alive, sampler);
    }
}
