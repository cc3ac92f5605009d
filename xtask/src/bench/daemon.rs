//! What the daemon itself costs: CPU of a reading, of a scrape and of idleness, memory and
//! bytes, beside many processes and threads; and the same of its peers.

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use super::{
    crowd::{Crowd, Size},
    observer::{Memory, Observer},
    page, peers, storm,
};
use crate::{built, cmd};

/// Flags of `cargo xtask bench daemon`.
#[derive(Args)]
pub(crate) struct DaemonFlags {
    /// Write the tables into docs/overhead.md.
    #[arg(long)]
    write: bool,
    /// Leave the peers out.
    #[arg(long)]
    no_peers: bool,
    /// Leave the threads out.
    #[arg(long)]
    no_threads: bool,
}

/// The crowd of the targets.
const LARGE: Size = Size { processes: 10_000, groups: 200, threads: 1 };
const SMALL: Size = Size { processes: 1_000, groups: 200, threads: 1 };
const THREADS: Size = Size { processes: 100, groups: 100, threads: 1_000 };

/// How long idleness is watched.
const IDLE: Duration = Duration::from_secs(10);

/// How often each is measured; the median is shown.
const TIMES: usize = 9;

/// Runs it.
pub(crate) fn run(flags: &DaemonFlags) -> Result<()> {
    ensure!(cmd::is_root(), "zc attaches probes to the kernel; start again as root");
    let folder = built::programs()?;
    let sizes = [SMALL, LARGE].into_iter().chain((!flags.no_threads).then_some(THREADS));
    let costs = sizes.map(|size| measure(&folder, size)).collect::<Result<Vec<_>>>()?;
    let mut section = table(&costs);
    if !flags.no_peers {
        section += &peers::table(&folder, LARGE)?;
        section += &storm::table(&folder)?;
    }
    page::show("daemon", &section, flags.write)
}

/// What zc costs beside a crowd.
struct Cost {
    size: Size,
    /// CPU of a reading after which nothing has changed, and after which all have.
    still: Duration,
    changed: Duration,
    /// CPU of one once the crowd has gone.
    gone: Duration,
    /// CPU, time and bytes of a scrape, and its series.
    scrape: Duration,
    took: Duration,
    bytes: usize,
    series: usize,
    /// CPU of the JSON page, and its bytes.
    json: Duration,
    json_bytes: usize,
    memory: Memory,
    /// CPU of idleness, as a share of a core.
    idle: f64,
}

fn measure(folder: &Path, size: Size) -> Result<Cost> {
    eprintln!("xtask: zc beside {}", size.text());
    let mut crowd = Crowd::start(folder, size)?;
    // Twice what is there, as zc looks more often while slots run short; by default there
    // would be room for four times as many.
    let room = (2 * size.members() + 4096).max(16 * 1024).to_string();
    let zc = start(folder, &["--interval", "1", "--threads", &room])?;
    crowd.turn()?;
    thread::sleep(Duration::from_secs(3));
    let (before, began) = (zc.cpu()?, Instant::now());
    thread::sleep(IDLE);
    let idle = (zc.cpu()? - before).as_secs_f64() / began.elapsed().as_secs_f64();
    drop(zc);
    let zc = start(folder, &["--interval", "10", "--threads", &room])?;
    crowd.turn()?;
    crowd.turn()?;
    zc.get("/-/ready")?;
    let cpu = |path: &str| -> Result<Duration> {
        let before = zc.cpu()?;
        zc.get(path)?;
        Ok(zc.cpu()? - before)
    };
    let still = median((0..TIMES).map(|_| cpu("/-/ready")).collect::<Result<_>>()?);
    let turn = |crowd: &mut Crowd| {
        crowd.turn()?;
        // So that each is off its CPU, and its switches are in.
        thread::sleep(Duration::from_millis(300));
        cpu("/-/ready")
    };
    let changed = median((0..TIMES).map(|_| turn(&mut crowd)).collect::<Result<_>>()?);
    let scrape = median((0..TIMES).map(|_| cpu("/metrics")).collect::<Result<_>>()?);
    let took = (0..TIMES).map(|_| Ok(zc.get("/metrics")?.took)).collect::<Result<_>>()?;
    let text = zc.get("/metrics")?.text;
    let memory = zc.memory()?;
    let json = median((0..3).map(|_| cpu("/api/v1/processes")).collect::<Result<_>>()?);
    let json_bytes = zc.get("/api/v1/processes")?.text.len();
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    let (took, bytes) = (median(took), text.len());
    drop(crowd);
    await_the_end(&zc, size)?;
    let gone = median((0..TIMES).map(|_| cpu("/-/ready")).collect::<Result<_>>()?);
    Ok(Cost {
        size,
        still,
        changed,
        gone,
        scrape,
        took,
        bytes,
        series,
        json,
        json_bytes,
        memory,
        idle,
    })
}

/// Looks until the slots of a crowd that ends have been given back.
fn await_the_end(zc: &Observer, size: Size) -> Result<()> {
    const IN_USE: &str = "zc_map_entries{map=\"slots\"} ";
    const LOOKS: u32 = 600;
    for _ in 0..LOOKS {
        let text = zc.get("/metrics")?.text;
        let in_use = text.lines().find_map(|line| line.strip_prefix(IN_USE));
        let in_use: u32 = in_use.context("no series of slots in use")?.parse()?;
        if in_use < size.members() / 2 {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    anyhow::bail!("the slots of a crowd that has gone are not given back")
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Starts `zc run`, and waits until it serves.
pub(super) fn start(folder: &Path, flags: &[&str]) -> Result<Observer> {
    let mut child = Command::new(folder.join("zc"))
        .args(["run", "--web.listen-address", "127.0.0.1:0", "--group-by", "comm"])
        .args(flags)
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start zc")?;
    let address = address(&mut child)?;
    Observer::new(child, address)
}

/// Where it says that it serves; what it says later is read and left.
fn address(child: &mut Child) -> Result<String> {
    let mut lines = BufReader::new(child.stderr.take().context("no standard error")?).lines();
    let mut said = String::new();
    while let Some(line) = lines.next().transpose()? {
        if let Some((_, rest)) = line.split_once("http://") {
            let (address, _) = rest.split_once('/').context("an address without a path")?;
            thread::spawn(move || lines.for_each(drop));
            return Ok(address.to_owned());
        }
        said += &line;
    }
    anyhow::bail!("zc does not come to serve: {said}")
}

fn table(costs: &[Cost]) -> String {
    let mut page = String::from(
        "| beside | reading, all slept | reading, all moved | reading, all gone | scrape \
         | its latency | bytes (series) | idle | resident: own + slots and files | JSON |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for cost in costs {
        let Cost { still, changed, gone, scrape, took, bytes, series, memory, idle, .. } = cost;
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} | {} kB ({series}) | {:.2} % | {} MB: {} + {} | {}, {} kB |",
            cost.size.text(),
            ms(*still),
            ms(*changed),
            ms(*gone),
            ms(*scrape),
            ms(*took),
            bytes / 1000,
            100.0 * idle,
            mb(memory.rss),
            mb(memory.anonymous),
            mb(memory.files),
            ms(cost.json),
            cost.json_bytes / 1000,
        );
    }
    page + &slope(costs)
}

/// What each further thread costs, from the second crowd to the last.
fn slope(costs: &[Cost]) -> String {
    let [_, few, many] = costs else { return String::new() };
    let more = f64::from(many.size.members() - few.size.members());
    let each = |of: fn(&Cost) -> Duration| {
        let ratio = of(many).as_secs_f64() / of(few).as_secs_f64();
        let slope = 1e9 * (of(many).as_secs_f64() - of(few).as_secs_f64()) / more;
        format!("{slope:.0} ns ({ratio:.1} times for ten times the threads)")
    };
    format!(
        "\nEach further thread costs a reading {} if it slept, {} if it moved bytes.\n",
        each(|cost| cost.still),
        each(|cost| cost.changed)
    )
}

/// A time as milliseconds.
pub(super) fn ms(time: Duration) -> String {
    format!("{:.1} ms", 1000.0 * time.as_secs_f64())
}

/// KiB as megabytes.
pub(super) fn mb(kib: u64) -> String {
    format!("{:.1}", kib as f64 * 1024.0 / 1e6)
}
