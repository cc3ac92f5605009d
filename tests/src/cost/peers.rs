//! What zc is compared with: programs that do nothing, and bpftrace.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use aya::{
    Btf, Ebpf,
    programs::{BtfTracePoint, FExit},
};

/// Where a program is attached.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hook {
    /// The return of a function.
    Return(&'static str),
    /// A tracepoint.
    Tracepoint(&'static str),
}

/// A program that does nothing, attached until it is dropped.
pub(super) struct Empty {
    _object: Ebpf,
}

impl Empty {
    pub(super) fn attach(object: &Path, hook: Hook) -> Result<Self> {
        let mut object = Ebpf::load_file(object)?;
        let types = Btf::from_sys_fs()?;
        match hook {
            Hook::Return(function) => {
                let program = object.program_mut("empty_exit").context("no empty_exit")?;
                let program: &mut FExit = program.try_into()?;
                program.load(function, &types)?;
                program.attach()?;
            }
            Hook::Tracepoint(name) => {
                let program = object.program_mut("empty_tracepoint");
                let program: &mut BtfTracePoint =
                    program.context("no empty_tracepoint")?.try_into()?;
                program.load(name, &types)?;
                program.attach()?;
            }
        }
        Ok(Self { _object: object })
    }
}

/// bpftrace with a sum by process on one probe, until it is dropped.
pub(super) struct Bpftrace(Child);

impl Bpftrace {
    pub(super) fn attach(probe: &str) -> Result<Self> {
        const READY: &str = "attached";
        // Its older versions call fexit kretfunc.
        let by_kprobe = probe.replace("fexit:", "kretprobe:");
        let names = [probe.replace("fexit:", "kretfunc:"), by_kprobe];
        let mut said = String::new();
        for name in names {
            let amount = if name.contains("sched_switch") { "count()" } else { "sum(retval)" };
            let amount = if name.contains("raw_syscalls") { "sum(args->ret)" } else { amount };
            let program =
                format!("BEGIN {{ printf(\"{READY}\\n\"); }} {name} {{ @[pid] = {amount}; }}");
            let mut child = Command::new("bpftrace")
                .args(["-B", "line", "-e", &program])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .context("bpftrace could not be started")?;
            let lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
            if lines.map_while(Result::ok).any(|line| line == READY) {
                return Ok(Self(child));
            }
            let output = child.wait_with_output()?;
            said += &String::from_utf8_lossy(&output.stderr);
        }
        bail!("bpftrace does not attach to {probe}: {}", said.trim())
    }
}

impl Drop for Bpftrace {
    fn drop(&mut self) {
        // Both fail when it has ended, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
