//! `zc record`: what was done, interval by interval, into a file.

use std::{
    fs::File,
    process::ExitCode,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, Error, Result};

use super::{
    attach_cheaply,
    books::Books,
    coverage::{Found, probes},
    grouping::Plan,
    process,
    verify::{
        outputs::create,
        settle,
        target::{Pace, Target},
        watched::Watched,
    },
};
use crate::{
    cli::Record,
    engine::{
        bytes::Bytes,
        recording::{Header, counters, gather::Gatherer, writer::Writer},
        tree::Root,
    },
    host,
    kernel::capabilities,
    shutdown::Shutdown,
};

/// Records until the target or its time ends, or somebody asks to end.
///
/// # Errors
///
/// If there is no such process, the file cannot be written, or the kernel refuses the probes.
pub async fn run(flags: Record) -> Result<ExitCode> {
    let target = target(&flags)?;
    let plan = Plan::new(&flags.grouping)?;
    capabilities::require()?;
    // Before anything is run, so that no run is for nothing.
    let path = flags.output.display();
    let file = create(&flags.output)?;
    let mut kernel = attach_cheaply(flags.mode_switches, plan.kept(), flags.attach)?;
    let ledger = plan.ledger(&flags.grouping, &mut kernel)?;
    // Of all of the machine the groups are recorded: the tree is of nobody.
    let root = if matches!(target, Target::Machine) { Root::Process(0) } else { target.root() };
    let mut books = Books::open_with(kernel, ledger, root)?;
    let writer = Writer::begin(file, &header(&flags, &target, &books)?, flags.max_size.0)?;
    let shutdown = Shutdown::new()?;
    books.start()?;
    let mut recorder = Recorder::start(writer, &books, &target, flags.interval);
    let (kind, name) = target.name();
    if kind != "command" {
        tracing::info!("zc records {kind} {name} into {path}");
    }
    let pace = recorder.pace(target.pace(flags.duration));
    let looked = &mut |books: &Books| recorder.look(books);
    let watched = target.watch(&mut books, pace, Watched::default(), shutdown, looked).await?;
    books.pass()?;
    recorder.look(&books)?;
    settle(&books).await;
    books.pass()?;
    recorder.end(&books, watched.failure()).with_context(|| {
        format!("{path} is cut short; zc report shows what is in it, make room for the rest")
    })
}

/// Who is recorded.
fn target(flags: &Record) -> Result<Target> {
    if let Some(pid) = flags.pid {
        process(pid, "record")?;
        return Ok(Target::Process { pid, alone: false });
    }
    if flags.command.is_empty() {
        return Ok(Target::Machine);
    }
    Ok(Target::Command(flags.command.clone()))
}

fn header(flags: &Record, target: &Target, books: &Books) -> Result<Header> {
    let (kind, name) = target.name();
    let seen = probes(&books.kernel.attachments, &Found::new());
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let states = seen.states.into_iter().map(|(probe, hook)| (probe.to_owned(), hook));
    let routes = seen.routes.iter();
    let routes = routes.map(|(route, how)| (route.name().to_owned(), how.name().to_owned()));
    Ok(Header {
        zc: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: host::kernel_release(),
        boot_id: host::boot_id()?,
        started_ms: u64::try_from(since.as_millis()).unwrap_or_default(),
        kind: kind.to_owned(),
        name,
        interval_ms: u64::try_from(flags.interval.as_millis()).unwrap_or_default(),
        counters: counters::names(),
        probes: states.collect(),
        routes: routes.collect(),
    })
}

/// The recording that is being made.
struct Recorder {
    writer: Writer<File>,
    gatherer: Gatherer,
    began: Instant,
    interval: Duration,
    /// Whether everybody is recorded, by group.
    all: bool,
    /// Why nothing more is written, while a command goes on.
    failed: Option<Error>,
    is_command: bool,
}

impl Recorder {
    fn start(writer: Writer<File>, books: &Books, target: &Target, interval: Duration) -> Self {
        Self {
            writer,
            gatherer: Gatherer::start(&books.latest, books.ledger.processes()),
            began: Instant::now(),
            interval,
            all: matches!(target, Target::Machine),
            failed: None,
            is_command: matches!(target, Target::Command(_)),
        }
    }

    /// How often to look: often enough to see short lives, where processes are told apart.
    fn pace(&self, usual: Pace) -> Pace {
        let step = if self.all { self.interval } else { self.interval.min(usual.step) };
        Pace { step, ..usual }
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Takes in a pass, and ends the interval if it is time.
    fn look(&mut self, books: &Books) -> Result<()> {
        self.take(books);
        let length = self.now_us().saturating_sub(self.gatherer.began_us());
        // A look that comes a little early is none to wait another one for.
        let due = u128::from(length) * 20 >= self.interval.as_micros() * 19;
        if due { self.cut(books) } else { Ok(()) }
    }

    fn take(&mut self, books: &Books) {
        if self.all {
            self.gatherer.groups(&books.latest);
        } else {
            let belongs = |key: &_| books.tree.contains(key);
            self.gatherer.processes(books.ledger.processes(), belongs);
        }
    }

    fn cut(&mut self, books: &Books) -> Result<()> {
        let now = self.now_us();
        let interval = self.gatherer.cut(now, &books.latest.lost);
        if self.failed.is_some() {
            return Ok(());
        }
        match self.writer.push(interval) {
            Err(error) if self.is_command => {
                tracing::error!("{error:#}: the command goes on, and is no longer recorded");
                self.failed = Some(error);
                Ok(())
            }
            result => result,
        }
    }

    fn end(mut self, books: &Books, ended: Option<String>) -> Result<ExitCode> {
        self.take(books);
        self.cut(books)?;
        if let Some(error) = self.failed {
            return Err(error);
        }
        let now = self.now_us();
        let coarsest = self.writer.coarsest();
        if let Some(why) = &ended {
            tracing::warn!("{why}");
        }
        if coarsest > 1 {
            tracing::warn!(
                "to stay within --max-size, up to {coarsest} intervals were merged; totals are right"
            );
        }
        let size = Bytes(self.writer.written());
        self.writer.end(now, ended)?;
        tracing::info!(
            "zc recorded {:.1} s; {size} and the end",
            self.began.elapsed().as_secs_f64()
        );
        Ok(ExitCode::SUCCESS)
    }
}
