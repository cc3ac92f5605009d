//! A daemon under observation: what it serves, and what it takes of CPU and memory.

use std::{
    fs,
    process::Child,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

/// A running exporter.
pub(super) struct Observer {
    child: Child,
    address: String,
    agent: ureq::Agent,
}

/// How long it may take to serve.
const PATIENCE: Duration = Duration::from_secs(120);

/// Its memory, in KiB, as `/proc/PID/status` has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    /// All that is resident.
    pub(super) rss: u64,
    /// Its own.
    pub(super) anonymous: u64,
    /// Mapped files; of zc, the slots too.
    pub(super) files: u64,
}

/// A page that was served.
#[derive(Clone, Debug)]
pub(super) struct Served {
    pub(super) text: String,
    pub(super) took: Duration,
}

impl Observer {
    /// Waits until it serves at `address`.
    pub(super) fn new(child: Child, address: String) -> Result<Self> {
        let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build();
        let observer = Self { child, address, agent: config.into() };
        let began = Instant::now();
        while let Err(error) = observer.get("/metrics") {
            if began.elapsed() > PATIENCE {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(observer)
    }

    /// One of its pages.
    pub(super) fn get(&self, path: &str) -> Result<Served> {
        let url = format!("http://{}{path}", self.address);
        let began = Instant::now();
        let answer = self.agent.get(&url).call();
        let mut answer = answer.with_context(|| format!("cannot get {url}"))?;
        let text = answer.body_mut().with_config().limit(256 << 20).read_to_string()?;
        Ok(Served { text, took: began.elapsed() })
    }

    /// What its threads ran so far.
    pub(super) fn cpu(&self) -> Result<Duration> {
        cpu_of(self.child.id())
    }

    /// Its memory now.
    pub(super) fn memory(&self) -> Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix(" kB")?.parse().ok()
        };
        let memory = || {
            let (rss, anonymous) = (field("VmRSS:")?, field("RssAnon:")?);
            Some(Memory { rss, anonymous, files: rss - anonymous })
        };
        memory().context("its memory is not to be told; has it ended?")
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the threads of a process ran so far, by the scheduler, in nanoseconds: the clock
/// ticks of `/proc/PID/stat` are too coarse.
pub(super) fn cpu_of(pid: u32) -> Result<Duration> {
    let mut sum = 0;
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = entry?.path().join("schedstat");
        let text = fs::read_to_string(&path)
            .with_context(|| format!("{} is not there", path.display()))?;
        let ran = text.split(' ').next().and_then(|ran| ran.parse::<u64>().ok());
        sum += ran.with_context(|| format!("{} tells nothing", path.display()))?;
    }
    Ok(Duration::from_nanos(sum))
}
