//! Runs paths one by one, and makes a row of each.

use anyhow::{Context as _, Result, ensure};
use zc_common::{counter::Tally, flow::Route, textbook::Textbook};

use super::{
    super::{
        books::Books,
        coverage::{coverage, measured},
    },
    child,
};
use crate::{
    engine::{
        coverage::Coverage,
        path::{self as engine, Cost, Counted, Sight, Verdict},
        summary::Quality,
    },
    host,
    kernel::{
        network::Network,
        path::{Data, NOTHING, Path, Peer, Setting},
        place::Place,
    },
    view::path::{self as view, Report, Row},
};

/// How often one is run until no event is missed meanwhile.
const ATTEMPTS: u32 = 8;

/// Seconds that a path may take, and bytes for which it may take one more.
const PATIENCE: u64 = 60;
const BYTES_A_SECOND: u64 = 1 << 20;

/// What paths are run with.
pub(super) struct Runner {
    books: Books,
    place: Place,
    network: Network,
    data: Data,
    /// What a path that does nothing gains.
    nothing: Tally,
    size: u64,
}

impl Runner {
    /// Finds out what the stops of a path cost.
    pub(super) fn new(books: Books, place: Place, network: Network, size: u64) -> Result<Self> {
        let (data, nothing) = (Data::new(&place, size)?, Tally::default());
        let mut runner = Self { books, place, network, data, nothing, size };
        let counted = runner.counted(&NOTHING)?.map_err(anyhow::Error::msg);
        let counted = counted.context("a process of zc's own cannot run")?;
        ensure!(counted.lost == 0, "zc misses events all the time; try on a less busy machine");
        runner.nothing = counted.requests_only;
        Ok(runner)
    }

    fn setting(&self, path: &Path) -> Setting {
        let bytes = self.size;
        let [data, warm, holes] = self.data.paths();
        let (peer, namespace) = match path.peer {
            Peer::Source => (self.network.source, None),
            Peer::None | Peer::Sink | Peer::SinkWithoutScatterGather => {
                (self.network.sink, self.network.namespace())
            }
        };
        let dir = self.place.dir.clone();
        let patience = PATIENCE + bytes / BYTES_A_SECOND;
        let patience = u32::try_from(patience).unwrap_or(u32::MAX);
        Setting { data, warm, holes, dir, bytes, peer, namespace, patience }
    }

    /// Runs a path; why it could not be run, if that is so.
    fn counted(&mut self, path: &Path) -> Result<Result<Counted, String>> {
        // What is copied into the socket is in one piece, whatever the device takes.
        let matters = path.peer != Peer::Sink || path.textbook.cpu == 0;
        if sends(path)
            && let Err(why) = self.network.set_scatter_gather(path.peer == Peer::Sink)
            && matters
        {
            return Ok(Err(format!("{why:#}")));
        }
        let setting = self.setting(path);
        let mut account = child::run(&mut self.books, path, &setting)?;
        for _ in 1..ATTEMPTS {
            if account.as_ref().map_or(true, |account| account.lost == 0) {
                break;
            }
            account = child::run(&mut self.books, path, &setting)?;
        }
        Ok(account.map(|account| Counted {
            requests_only: account.requests_only,
            whole: account.whole,
            nothing: self.nothing.clone(),
            requests: path.requests(self.size),
            payload: path.payload(self.size),
            disk: account.disk,
            net: account.net,
            lost: account.lost,
        }))
    }

    /// Runs a path, and judges it.
    pub(super) fn row(&mut self, path: &'static Path) -> Result<Row> {
        let textbook = &path.textbook;
        let counted = self.counted(path)?;
        let sight = self.sight(path);
        let row = |verdict, why, counted, zero_copy| Row {
            path: path.name,
            title: path.title,
            textbook: shown(textbook),
            counted,
            verdict,
            zero_copy,
            why,
        };
        Ok(match counted {
            Err(why) => row("cannot_run", Some(why), None, None),
            Ok(counted) => {
                let cost = Cost::of(&counted, sight);
                let verdict = engine::judge(textbook, &cost, counted.requests, sight);
                let (name, why) = (verdict.name(), why(verdict));
                let zero_copy = cost.cpu().map(|copies| copies < engine::NEAR);
                row(name, why, Some(self.cells(path, &counted, &cost)), zero_copy)
            }
        })
    }

    /// What there is to see a path with.
    fn sight(&self, path: &Path) -> Sight {
        let attachments = &self.books.kernel.attachments;
        let is_up = |name| attachments.iter().any(|a| a.probe.name == name && a.hook.is_some());
        let measured: Vec<_> = measured(attachments).collect();
        let copies = path.routes.iter().all(|route| measured.contains(route));
        // Of a ring nothing is inferred without its completions.
        let rings = !path.routes.contains(&Route::IoUring) || is_up("io_uring");
        Sight {
            calls: is_up("syscalls"),
            transfers: is_up("transfers") && (rings || copies),
            copies,
            hidden: path.peer == Peer::SinkWithoutScatterGather,
            disk: self.place.has_device,
            net: self.network.has_device() && sends(path),
        }
    }

    fn cells(&self, path: &Path, counted: &Counted, cost: &Cost) -> view::Counted {
        let all = coverage(&self.books.kernel.attachments, &Vec::new());
        let covered = all.iter().filter(|(route, _)| path.routes.contains(route));
        let covered = covered.map(|(_, coverage)| *coverage).max();
        view::Counted {
            requests: counted.requests,
            request_bytes: path.chunk(self.size),
            bytes: counted.payload,
            cpu_user: cost.user,
            cpu_in_kernel: cost.in_kernel,
            disk: cost.disk,
            net: cost.net,
            copies: cost.copies(),
            mode_switches: cost.switches,
            mode_switches_per_mb: cost.switches_per_mb,
            context_switches: cost.context_switches,
            page_faults: cost.faults,
            quality: cost.quality.map(Quality::name),
            coverage: covered.map(Coverage::name),
        }
    }

    /// All rows, and where they come from.
    pub(super) fn report(&self, paths: Vec<Row>, note: Option<String>) -> Report {
        Report {
            version: 1,
            kernel: host::kernel_release(),
            size_bytes: self.size,
            folder: self.place.dir.display().to_string(),
            file_system: self.place.file_system,
            disk: self.place.has_device,
            network: self.network.describe(),
            network_device: self.network.has_device(),
            notes: note.into_iter().collect(),
            paths,
        }
    }
}

/// Whether its bytes leave by the network's device.
fn sends(path: &Path) -> bool {
    matches!(path.peer, Peer::Sink | Peer::SinkWithoutScatterGather)
}

fn why(verdict: Verdict) -> Option<String> {
    match verdict {
        Verdict::AsTextbook(missing) => missing,
        Verdict::Differs(why) | Verdict::CannotTell(why) => Some(why),
    }
}

fn shown(textbook: &Textbook) -> view::Textbook {
    let Textbook { cpu, disk, net, switches, faults } = *textbook;
    view::Textbook {
        cpu,
        disk,
        net,
        copies: cpu + disk + net,
        mode_switches: switches,
        page_faults: faults,
    }
}
