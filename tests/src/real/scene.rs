//! A case set up: its files, its peer, and `zc verify` on it.

use std::{
    fs::{self, File},
    io,
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;

use super::{
    case::{Case, Content, POLICY, Peer},
    nginx,
};
use crate::{
    programs::{self, Stage},
    verify::{self, Verified},
};

/// Files of a scene.
const FILE: &str = "file";
const COPY: &str = "copy";
const PID: &str = "pid";
const REPORT: &str = "report.json";
const CONF: &str = "nginx.conf";
const UPSTREAM: &str = "upstream.conf";

/// Times 10 ms that a server may take to start: emulated machines are slow.
const PATIENCE: u32 = 6000;

/// What a case takes, in a folder of its own.
#[derive(Debug)]
pub struct Scene {
    case: &'static Case,
    stage: Stage,
    port: u16,
    /// Of who is behind nginx.
    upstream: u16,
}

/// What came of one run.
#[derive(Debug)]
pub struct Judged {
    /// What zc says.
    pub verified: Verified,
    /// Bytes of the file.
    pub file: u64,
    /// Bytes of it that went over the wire, compressed or not.
    pub wire: u64,
}

/// A process that ends with its scene, and all that it started.
struct Running(Option<Child>);

impl Running {
    fn start(mut command: Command) -> Result<Self> {
        command.process_group(0);
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("cannot start {program}"))?;
        Ok(Self(Some(child)))
    }

    fn child(&mut self) -> Result<&mut Child> {
        self.0.as_mut().context("it has been waited for")
    }

    /// Waits for its end.
    fn end(mut self) -> Result<Output> {
        let child = self.0.take().context("it has been waited for")?;
        child.wait_with_output().context("cannot wait for it")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(child) = &mut self.0 else { return };
        // It may have ended by itself; either way it is gone afterwards.
        let _ = Pid::from_raw(child.id().cast_signed())
            .map(|group| kill_process_group(group, Signal::KILL));
        let _ = child.wait();
    }
}

impl Scene {
    /// Makes the files of a case.
    ///
    /// # Errors
    ///
    /// If there is no room for them, or a program is not there.
    pub fn new(case: &'static Case) -> Result<Self> {
        let stage = Stage::on_disk(case.name)?;
        let [port, upstream] = nginx::free_ports()?;
        let scene = Self { case, stage, port, upstream };
        for program in ["nginx", "python3", "curl", "cp", "cat", "dd", "env", "gzip", "nice"] {
            ensure!(
                scene.path().split(':').any(|folder| PathBuf::from(folder).join(program).exists()),
                "{program} is not in {}; cargo xtask brings it there",
                scene.path()
            );
        }
        let mut file = File::create(scene.file(FILE))?;
        fill(&mut file, case.content, case.mib << 20)?;
        // Direct reads find it on the disk.
        file.sync_all()?;
        if case.nginx.contains("gzip_static") {
            let status = scene.base("gzip").args(["-1", "-k", FILE]).status()?;
            ensure!(status.success(), "gzip ended with {status}");
        }
        let told = case.nginx.replace("UPSTREAM", &upstream.to_string());
        fs::write(scene.file(CONF), nginx::conf(&told, port))?;
        fs::write(scene.file(UPSTREAM), nginx::conf("sendfile on;", upstream))?;
        Ok(scene)
    }

    /// The folder that its files are in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.stage.path()
    }

    /// Runs the case under `zc verify` with some more flags, plays its peer, and sees to it
    /// that the copy is the file.
    ///
    /// # Errors
    ///
    /// If the case did not do what it is to do; what zc says of it is no error.
    pub fn judge(&self, flags: &[&str]) -> Result<Judged> {
        let mut verify = verify::command()?;
        verify.args(POLICY).args(flags);
        self.play(verify)
    }

    /// The same under `zc advise`; what that reports.
    ///
    /// # Errors
    ///
    /// As [`Self::judge`], or if zc cannot look.
    pub fn advise(&self) -> Result<Value> {
        let mut advise = Command::new(programs::folder()?.join("zc"));
        advise.args(["advise", "--all", "--least", "1KiB"]);
        let Verified { code, log, report, .. } = self.play(advise)?.verified;
        ensure!(code == Some(0), "it ended with {code:?}: {log}");
        Ok(report)
    }

    /// Runs the case under a command of zc.
    fn play(&self, zc: Command) -> Result<Judged> {
        for left in [COPY, PID, REPORT] {
            // The first run leaves nothing.
            let _ = fs::remove_file(self.file(left));
        }
        let file = fs::metadata(self.file(FILE))?.len();
        let mut wire = file;
        let output = match self.case.peer {
            Peer::Nobody => self.watched(zc)?.end()?,
            Peer::Server => {
                let _server = self.serve(CONF, self.port)?;
                self.watched(zc)?.end()?
            }
            Peer::Reader => self.read_from(zc)?,
            Peer::Client(more) => {
                let output;
                (output, wire) = self.fetch_from(zc, more)?;
                output
            }
            Peer::Between => {
                let _server = self.serve(UPSTREAM, self.upstream)?;
                self.fetch_from(zc, &[])?.0
            }
        };
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let log = text(&output.stderr);
        self.compare().with_context(|| log.clone())?;
        let report = fs::read(self.file(REPORT)).with_context(|| log.clone())?;
        let report = serde_json::from_slice(&report).context("the report is no JSON")?;
        let (code, output) = (output.status.code(), text(&output.stdout));
        Ok(Judged { verified: Verified { code, output, log, report }, file, wire })
    }

    /// Starts zc on the command of the case.
    fn watched(&self, zc: Command) -> Result<Running> {
        let command = self.case.command.replace("PORT", &self.port.to_string());
        // Who is started in the background ignores SIGINT, unless told otherwise.
        let shell = match self.case.peer {
            Peer::Client(_) | Peer::Between => {
                format!("echo $$ >{PID}; exec env --default-signal=INT {command}")
            }
            Peer::Nobody | Peer::Server | Peer::Reader => command,
        };
        let mut zc = self.placed(zc);
        zc.args(["--json", "--output", REPORT, "--", "sh", "-c", &shell]);
        Running::start(zc)
    }

    /// nginx that nobody watches.
    fn serve(&self, conf: &str, port: u16) -> Result<Running> {
        let mut nginx = self.base("nginx");
        nginx.args(["-p", ".", "-c", conf, "-g", "master_process off;"]);
        let mut server = Running::start(nginx)?;
        wait_for_port(port, &mut server)?;
        Ok(server)
    }

    /// Reads what the case sends, to its end.
    fn read_from(&self, zc: Command) -> Result<Output> {
        let listener = TcpListener::bind(("127.0.0.1", self.port))?;
        let mut copy = File::create(self.file(COPY))?;
        let reader = thread::spawn(move || io::copy(&mut listener.accept()?.0, &mut copy));
        let output = self.watched(zc)?.end()?;
        // Had it not connected, nobody would; this ends the wait.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        reader.join().map_err(|_| anyhow::anyhow!("the reader panicked"))??;
        Ok(output)
    }

    /// Fetches the file from the case, and has it end; and bytes over the wire.
    fn fetch_from(&self, zc: Command, more: &[&str]) -> Result<(Output, u64)> {
        let mut watched = self.watched(zc)?;
        wait_for_port(self.port, &mut watched)?;
        let wire = self.fetch(more)?;
        self.interrupt()?;
        Ok((watched.end()?, wire))
    }

    /// curl, which fetches the file; how many bytes went over the wire.
    fn fetch(&self, more: &[&str]) -> Result<u64> {
        let url = format!("http://127.0.0.1:{}/{FILE}", self.port);
        // On one processor it then interrupts the server less often: from Linux 7.0 on that
        // costs zc events.
        let mut curl = self.base("nice");
        curl.args(["-n", "19", "curl", "-sSf", "-o", COPY, "-w", "%{size_download}", &url])
            .args(more);
        let output = curl.output().context("cannot start curl")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "curl: {said}");
        let bytes = String::from_utf8_lossy(&output.stdout);
        bytes.trim().parse().with_context(|| format!("curl says {bytes:?}"))
    }

    /// Has the program under test end.
    fn interrupt(&self) -> Result<()> {
        let text = fs::read_to_string(self.file(PID))?;
        let pid = Pid::from_raw(text.trim().parse()?).context("no process id")?;
        kill_process(pid, Signal::INT).context("it has ended already")
    }

    fn compare(&self) -> Result<()> {
        let read = |name| fs::read(self.file(name)).with_context(|| format!("no {name}"));
        ensure!(read(FILE)? == read(COPY)?, "the copy is not what the file is");
        Ok(())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.stage.path().join(name)
    }

    /// Where programs are found: Debian's, not those of this machine's user, and in a guest
    /// not busybox'.
    fn path(&self) -> String {
        let folder = programs::folder().unwrap_or_default();
        format!("/usr/bin:{}:/bin", folder.display())
    }

    fn base(&self, program: &str) -> Command {
        self.placed(Command::new(program))
    }

    /// A command in the folder of the scene, whose output is read.
    fn placed(&self, mut command: Command) -> Command {
        command.current_dir(self.stage.path()).env("PATH", self.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// Waits until somebody listens.
fn wait_for_port(port: u16, server: &mut Running) -> Result<()> {
    let server = server.child()?;
    for _ in 0..PATIENCE {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(());
        }
        if let Some(status) = server.try_wait()? {
            let said = server.stderr.take().map(io::read_to_string).transpose()?;
            bail!("it ended with {status} before it served: {}", said.unwrap_or_default());
        }
        thread::sleep(Duration::from_millis(10));
    }
    bail!("nobody comes to listen on port {port}")
}

/// Writes so many bytes, always the same ones: blocks that differ by their numbers, as to
/// make each anew takes an emulated machine long.
fn fill(to: &mut impl io::Write, content: Content, bytes: u64) -> Result<()> {
    const BLOCK: u64 = 64 << 10;
    const WORDS: [&[u8; 8]; 4] = [b"kernel, ", b"copies, ", b"memory; ", b"bytes.\n "];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        // Marsaglia's xorshift64.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        match content {
            Content::Noise => state.to_le_bytes(),
            Content::Text => *WORDS[(state % 4) as usize],
        }
    });
    let mut block: Vec<u8> = words.take((BLOCK / 8) as usize).flatten().collect();
    for number in 0..bytes / BLOCK {
        block[..16].copy_from_slice(format!("{number:15}\n").as_bytes());
        to.write_all(&block)?;
    }
    Ok(())
}
