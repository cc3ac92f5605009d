//! `zc run`: attach, read, book, serve.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use tokio::{net::TcpListener, sync::watch};
use zc_common::slot::{Care, Look};

use super::{
    attach,
    books::Books,
    budget::Warden,
    coverage::{Found, probes},
    self_test,
};
use crate::{
    cli::{self, Run},
    engine::{
        ledger::Ledger,
        probes::Probes,
        sampler::{self, Source, Standing},
        snapshot::Snapshot,
        summary::Copies,
        tree::Root,
    },
    kernel::{loader::Kernel, object},
    server::{self, Served},
    shutdown::Shutdown,
    view::prometheus::Facts,
};

impl Source for Kernel {
    fn read(&mut self, care: Care, book: &mut dyn FnMut(Look<'_>) -> bool) -> Result<()> {
        self.flush_log();
        Kernel::read(self, care, book)
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

/// Runs until asked to end.
///
/// # Errors
///
/// If the address is taken, or the kernel refuses the probes.
pub async fn run(flags: Run) -> Result<()> {
    let shutdown = Shutdown::new()?;
    // Before anything is attached: where the address is taken it ends here.
    let address = flags.listen_address;
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; choose another with --web.listen-address")
    })?;
    let kernel = attach(flags.attach)?;
    warn_of_gaps(&kernel);
    let copies = match flags.copies {
        cli::Copies::Best => Copies::Best,
        cli::Copies::Both => Copies::Both,
    };
    let (kernel, ledger, found) = opened(kernel, flags.max_groups, flags.self_test)?;
    let facts = Facts { object: object::digest(), copies };
    let probes = probes(&kernel.attachments, &found).into();
    let source = Watched { kernel, warden: Warden::new(flags.budget), found, probes };
    let (asker, sampler) = sampler::start(source, ledger, flags.interval)?;
    let mut latest = asker.latest.clone();
    let router = server::router(Served::new(asker, facts)?);
    tracing::info!("zc serves http://{}/metrics", listener.local_addr()?);
    tokio::select! {
        served = server::serve(listener, router, shutdown) => served?,
        () = ended(&mut latest) => bail!("the sampler ended by itself; see the log, and report it"),
    }
    // Drops the kernel side, which detaches every probe.
    tokio::task::spawn_blocking(|| sampler.end()).await??;
    tracing::info!("every probe is detached");
    Ok(())
}

/// The kernel side and an open ledger; what a self-test found, if one is wanted. It runs
/// before anything is served, so that its marks never change and nothing is lost of what
/// others do meanwhile. A failure of it is no reason not to count.
fn opened(kernel: Kernel, max_groups: usize, test: bool) -> Result<(Kernel, Ledger, Found)> {
    if !test {
        return Ok((kernel, Ledger::new(max_groups), Found::new()));
    }
    let mut books = Books::open(kernel, Root::Process(0), max_groups)?;
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

/// Resolves when nobody publishes snapshots any more.
async fn ended(latest: &mut watch::Receiver<Arc<Snapshot>>) {
    while latest.changed().await.is_ok() {}
}

/// Says out loud what will be unknown.
fn warn_of_gaps(kernel: &Kernel) {
    let down = kernel.attachments.iter().filter(|a| a.hook.is_none() && !a.is_missing());
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
    if !kernel.reads_kernel {
        tracing::warn!(
            "the kernel does not let programs read its memory (lockdown): endpoints are unknown, \
             and with them the copies"
        );
    }
}
