//! What stands in for a zc on a kernel that shows all, and where all is wrong: this machine's
//! need not be one. What it counts is made up; its page is written by zc's own view.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::Result;
use zc_common::{
    counter::{Backing, Counter, Fault, Switch, Tally},
    fallback::Fallback,
    flow::{Flow, Route},
};
use zc_daemon::{
    engine::{
        coverage::Coverage,
        probes::Probes,
        snapshot::{Group, Snapshot},
        summary::Copies,
    },
    view::prometheus::{Facts, Format, page},
};

/// The group that it counts.
pub const GROUP: &str = "t-relay";

/// A server of a page that has grown each time.
#[derive(Debug)]
pub struct StandIn {
    address: String,
    end: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl StandIn {
    /// Starts it on a free port.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let end = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&end);
        let server = thread::spawn(move || {
            let connections = listener.incoming().map_while(Result::ok);
            let open = connections.take_while(|_| !asked.load(Ordering::Relaxed));
            for (scrape, connection) in (1..).zip(open) {
                // Who hangs up is not served.
                let _ = answer(connection, scrape);
            }
        });
        Ok(Self { address, end, server: Some(server) })
    }

    /// Where it serves.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        // Wakes it; if nobody answers it has ended.
        let _ = TcpStream::connect(&self.address);
        let _ = self.server.take().map(JoinHandle::join);
    }
}

fn answer(mut connection: TcpStream, scrape: u64) -> std::io::Result<()> {
    let lines = BufReader::new(connection.try_clone()?).lines();
    lines.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
    let facts = Facts { object: "0123".to_owned(), copies: Copies::Best };
    let page = page(&snapshot(scrape), &facts, &[], Format::Classic);
    write!(
        connection,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{page}",
        page.len()
    )
}

/// Everything that can be counted, as often as it was asked for.
fn snapshot(scrape: u64) -> Snapshot {
    let mut tally = Tally::default();
    for flow in Flow::ALL.iter().copied() {
        tally[Counter::bytes(flow)] = scrape << 20;
        tally[Counter::calls(flow)] = scrape;
    }
    for fallback in Fallback::ALL.iter().copied() {
        tally[Counter::fallback(fallback)] = scrape << 10;
    }
    for fault in Fault::ALL.iter().copied() {
        tally[Counter::faults(fault)] = scrape;
        Backing::ALL.iter().for_each(|backing| tally[Counter::backed(fault, *backing)] = scrape);
    }
    Switch::ALL.iter().for_each(|switch| tally[Counter::switches(*switch)] = scrape);
    let wrong = |route| if route == Route::Read { Coverage::Differs } else { Coverage::Unverified };
    let probes = Probes {
        states: vec![("transfers", Some("tp_btf/sys_exit".to_owned())), ("copy_dax", None)],
        routes: Route::ALL.iter().map(|route| (*route, wrong(*route))).collect(),
    };
    let groups = vec![Group { name: GROUP.to_owned(), tally, identity: None }];
    Snapshot {
        groups,
        lost: vec![("no_slot", scrape)],
        probes: probes.into(),
        ..Snapshot::default()
    }
}
