//! `zc advise`: who relays bytes that it could leave where they are.

mod connections;
mod known;
mod target;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use self::{known::Known, target::Target};
use super::verify::outputs;
use crate::{
    cli::Advise,
    engine::advice::{Cost, Least},
    host::{self, copying},
    kernel::relays::Relays,
    shutdown::Shutdown,
};

/// Time between two looks.
const STEP: Duration = Duration::from_millis(50);

/// Watches until it is time, or asked to end, or the target ends; prints the report.
///
/// # Errors
///
/// If there is no such target, or the kernel refuses the program or what it looks at.
pub async fn run(flags: Advise) -> Result<ExitCode> {
    let mut output = outputs::main(flags.output.as_deref(), !flags.command.is_empty())?;
    host::require_initial_pids()?;
    ensure!(
        host::lockdown().is_none_or(|mode| mode != "confidentiality"),
        "this locked-down kernel lets no program look at memory, so zc cannot tell who relays \
         what; zc advise needs a kernel whose lockdown is none or integrity"
    );
    let shutdown = Shutdown::new()?;
    let mut target = Target::of(&flags)?;
    let relays = Relays::attach()?;
    target.start()?;
    tracing::info!("zc watches {}", target.name());
    let began = Instant::now();
    let mut known = Known::default();
    watch(&mut target, &relays, &mut known, shutdown).await?;
    let seconds = began.elapsed().as_secs_f64();
    let found = relays.read()?;
    known.look(&found, &mut target);
    known.look_at_connections(&found);
    drop(relays);
    let least = Least { bytes_per_second: flags.least.0, seconds, skipped: found.skipped };
    let cost =
        copying::cost().map(|copying::Seconds { cached, uncached }| Cost { cached, uncached });
    let report = known.report(&found, target.name(), (least, cost));
    let text = if flags.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        report.text(flags.all)
    };
    output.write_all(text.as_bytes()).context("the report cannot be written")?;
    Ok(ExitCode::SUCCESS)
}

async fn watch(
    target: &mut Target,
    relays: &Relays,
    known: &mut Known,
    shutdown: Shutdown,
) -> Result<()> {
    let mut requested = std::pin::pin!(shutdown.requested());
    loop {
        known.look(&relays.read()?, target);
        tokio::select! {
            ended = target.ends(STEP) => if ended? { return Ok(()) },
            _ = requested.as_mut() => return target.stop().await,
        }
    }
}
