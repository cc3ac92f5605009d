//! Holds zc's parsers against hostile bytes for as long as it is told (`cargo xtask fuzz`).

use std::{
    fs::{self, File},
    io::{Write as _, stdout},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use zc_daemon::fuzz::{Hunt, TARGETS, Target};

/// Holds zc's parsers against hostile bytes.
#[derive(Parser)]
#[command(name = "zc-fuzz", max_term_width = 100)]
struct Flags {
    /// The targets [default: all].
    targets: Vec<String>,
    /// Seconds for each target.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// What inputs are made from, to have the same again [default: the time].
    #[arg(long)]
    seed: Option<u64>,
    /// Run this input alone.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Print the targets, and what each holds.
    #[arg(long)]
    list: bool,
    /// Where inputs that something fails on are kept.
    #[arg(long, value_name = "FOLDER", default_value = "target/fuzz")]
    keep: PathBuf,
}

/// Inputs of a batch, between two looks at the clock.
const BATCH: u32 = 500;

/// An input that takes longer never ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// Inputs begun.
static BEGUN: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    match start(&Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("zc-fuzz: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(flags: &Flags) -> Result<()> {
    let chosen = chosen(&flags.targets)?;
    if flags.list {
        for target in chosen {
            writeln!(stdout(), "{:16} {}", target.name, target.holds)?;
        }
        return Ok(());
    }
    if let Some(path) = &flags.input {
        let [target] = chosen[..] else { bail!("an input is for one target; name it") };
        let input = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let read = (target.run)(&input);
        let what = if read { "makes something" } else { "makes nothing" };
        return Ok(writeln!(
            stdout(),
            "{} {what} of it, and holds: {}",
            target.name,
            target.holds
        )?);
    }
    fs::create_dir_all(&flags.keep)
        .with_context(|| format!("cannot make {}", flags.keep.display()))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let seed = flags.seed.unwrap_or(now);
    writeln!(stdout(), "zc-fuzz: {} targets, --seed {seed}", chosen.len())?;
    thread::spawn(watch);
    let failed = chosen.iter().map(|target| hunt(target, seed, flags));
    let failed = failed.collect::<Result<Vec<_>>>()?.into_iter().filter(|held| !held).count();
    ensure!(failed == 0, "of the targets {failed} failed; what on is in {}", flags.keep.display());
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<&'static Target>> {
    if names.is_empty() {
        return Ok(TARGETS.iter().collect());
    }
    let find = |name: &String| {
        let found = TARGETS.iter().find(|target| target.name == name);
        found.with_context(|| format!("there is no target {name}; see cargo xtask fuzz --list"))
    };
    names.iter().map(find).collect()
}

/// Runs one target for its time; whether it held.
fn hunt(target: &Target, seed: u64, flags: &Flags) -> Result<bool> {
    let path = flags.keep.join(target.name);
    // Should one end this process, it is there.
    let current =
        File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let before = |input: &[u8]| {
        BEGUN.fetch_add(1, Ordering::Relaxed);
        let kept = current.set_len(input.len() as u64);
        let kept = kept.and_then(|()| current.write_all_at(input, 0));
        assert!(kept.is_ok(), "an input cannot be written to {}: {kept:?}", flags.keep.display());
    };
    let hunt = Hunt { target, seed, before: &before };
    let (start, time) = (Instant::now(), Duration::from_secs(flags.seconds));
    let (mut executions, mut read) = (0, 0);
    for number in 0.. {
        match hunt.batch(number, BATCH) {
            Ok(tally) => (executions, read) = (executions + tally.executions, read + tally.read),
            Err(failure) => {
                fs::write(&path, &failure.input)?;
                writeln!(stdout(), "{failure}\n{}", again(target, &path))?;
                return Ok(false);
            }
        }
        if start.elapsed() >= time {
            break;
        }
    }
    fs::remove_file(&path)?;
    let (each, share) = (start.elapsed().as_secs_f64(), 100 * read / executions.max(1));
    #[expect(clippy::cast_precision_loss, reason = "it is for people")]
    let rate = executions as f64 / each;
    let name = target.name;
    writeln!(stdout(), "{name:16} {executions:9} executions, {rate:7.0}/s, {share:2} % read")?;
    Ok(true)
}

/// How to run an input again.
fn again(target: &Target, path: &Path) -> String {
    format!("again: cargo xtask fuzz {} --input {}", target.name, path.display())
}

/// Ends this process where an input does not: it stands in its target's file.
fn watch() {
    let mut before = u64::MAX;
    loop {
        thread::sleep(PATIENCE);
        let now = BEGUN.load(Ordering::Relaxed);
        if now == before {
            eprintln!("zc-fuzz: an input takes more than {} s", PATIENCE.as_secs());
            std::process::abort();
        }
        before = now;
    }
}
