//! The peers, from Debian, unpacked and not installed: what they take beside the same crowd.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::{
    crowd::{Crowd, Size},
    daemon::{mb, ms, start},
    observer::Observer,
};
use crate::{apt, ebpf::top, run::target_dir};

/// A peer that serves metrics.
struct Peer {
    name: &'static str,
    package: &'static str,
    program: &'static str,
    flags: &'static [&'static str],
    port: u16,
}

const PEERS: [Peer; 2] = [
    Peer {
        name: "process-exporter",
        package: "prometheus-process-exporter",
        program: "usr/bin/prometheus-process-exporter",
        flags: &["-config.path", "processes.yml"],
        port: 19_256,
    },
    Peer {
        name: "node_exporter --collector.processes",
        package: "prometheus-node-exporter",
        program: "usr/bin/prometheus-node-exporter",
        flags: &["--collector.processes"],
        port: 19_100,
    },
];

/// Every process, by its name.
const PROCESSES: &str = "process_names:\n  - name: \"{{.Comm}}\"\n    cmdline: ['.*']\n";

/// Every observer by turns beside the same crowd.
pub(super) fn table(folder: &Path, size: Size) -> Result<String> {
    let mut crowd = Crowd::start(folder, size)?;
    let mut page = format!(
        "\nBeside {}, one after the other:\n\n| observer | CPU of a scrape | its latency | bytes | \
         resident | CPU while nobody asks |\n|---|---|---|---|---|---|\n",
        size.text()
    );
    let zc = start(folder, &[])?;
    crowd.turn()?;
    row(&mut page, "zc", &zc)?;
    drop(zc);
    for peer in &PEERS {
        eprintln!("xtask: {} beside the same", peer.name);
        row(&mut page, peer.name, &peer.start()?)?;
    }
    Ok(page)
}

fn row(page: &mut String, name: &str, observer: &Observer) -> Result<()> {
    const IDLE: Duration = Duration::from_secs(5);
    observer.get("/metrics")?;
    let before = observer.cpu()?;
    thread::sleep(IDLE);
    let idle = (observer.cpu()? - before).as_secs_f64() / IDLE.as_secs_f64();
    let before = observer.cpu()?;
    let mut served = Vec::new();
    for _ in 0..3 {
        served.push(observer.get("/metrics")?);
    }
    let cpu = (observer.cpu()? - before) / 3;
    served.sort_by_key(|served| served.took);
    let (took, bytes) = (served[1].took, served[1].text.len());
    let memory = observer.memory()?;
    let _ = writeln!(
        page,
        "| {name} | {} | {} | {} kB | {} MB | {:.2} % |",
        ms(cpu),
        ms(took),
        bytes / 1000,
        mb(memory.rss),
        100.0 * idle
    );
    Ok(())
}

impl Peer {
    fn start(&self) -> Result<Observer> {
        let address = format!("127.0.0.1:{}", self.port);
        let child = self.spawn(&address)?;
        Observer::new(child, address)
    }

    fn spawn(&self, address: &str) -> Result<Child> {
        let folder = target_dir().join("peers").join(self.package);
        if !folder.join(self.program).exists() {
            eprintln!("xtask: fetching {} by apt (to compare with)", self.package);
            fs::create_dir_all(&folder)?;
            apt::unpack(self.package, &folder)?;
        }
        fs::write(folder.join("processes.yml"), PROCESSES)?;
        let flag = if self.flags[0].starts_with("--") { "--" } else { "-" };
        let folder = top().join(folder);
        Command::new(folder.join(self.program))
            .args(self.flags)
            .arg(format!("{flag}web.listen-address={address}"))
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))
    }
}

/// The peer that names processes.
pub(super) fn process_exporter() -> Result<Observer> {
    PEERS[0].start()
}
