//! `zc advise`, run beside the screen for its panel.

use std::{
    env,
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use tokio::{
    process::Command,
    task::JoinHandle,
    time::{Instant, Interval, interval},
};

use crate::view::top::advice::{State, Told};

/// For how long it looks.
const LONG: &str = "10s";

/// Who runs it. A run ends with the runtime, if not before.
pub(super) struct Adviser {
    /// Why it is not run.
    refusal: Option<&'static str>,
    run: Option<Run>,
}

/// A run.
struct Run {
    began: Instant,
    seconds: Interval,
    told: JoinHandle<Result<Told>>,
}

impl Adviser {
    /// For totals of this machine, or of a daemon, which may be on another one.
    pub(super) fn new(of_a_daemon: bool) -> Self {
        let refusal = of_a_daemon.then_some(
            "a daemon gives no advice: run `zc advise` or `zc top` without --connect, as root, on \
             its machine",
        );
        Self { refusal, run: None }
    }

    /// Runs it, of this process or of all; tells how that stands.
    pub(super) fn ask(&mut self, of: Option<u32>) -> State {
        if let Some(refusal) = self.refusal {
            return State::Failed(refusal.to_owned());
        }
        let (began, seconds) = (Instant::now(), interval(Duration::from_secs(1)));
        self.run = Some(Run { began, seconds, told: tokio::spawn(advice(of)) });
        State::Looking(0)
    }

    /// Whether it is under way.
    pub(super) fn is_asked(&self) -> bool {
        self.run.is_some()
    }

    /// How it stands, a moment later; for ever if it is not under way.
    pub(super) async fn next(&mut self) -> State {
        let Some(run) = &mut self.run else { return std::future::pending().await };
        // Neither is lost if something else happens first.
        let told = tokio::select! {
            told = &mut run.told => told,
            _ = run.seconds.tick() => return State::Looking(run.began.elapsed().as_secs()),
        };
        self.run = None;
        match told.context("`zc advise` was lost").flatten() {
            Ok(told) => State::Told(told),
            Err(error) => State::Failed(format!("{error:#}")),
        }
    }
}

/// What it says; it is killed if nobody waits for that any more.
async fn advice(of: Option<u32>) -> Result<Told> {
    let program = env::current_exe().context("zc cannot tell where its program is")?;
    let mut command = Command::new(program);
    command.args(["advise", "--json", "--for", LONG]);
    if let Some(pid) = of {
        command.args(["--pid", &pid.to_string()]);
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.context("`zc advise` cannot be run")?;
    told(&output)
}

/// What it printed, or why it did not.
fn told(output: &Output) -> Result<Told> {
    if !output.status.success() {
        let log = String::from_utf8_lossy(&output.stderr);
        let why =
            log.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it does not say why");
        bail!(
            "`zc advise` failed ({}): {}",
            output.status,
            why.strip_prefix("zc: ").unwrap_or(why)
        );
    }
    serde_json::from_slice(&output.stdout)
        .context("`zc advise` is another zc: its report is unknown")
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn output(code: i32, stdout: &str, stderr: &str) -> Output {
        let status = std::process::ExitStatus::from_raw(code << 8);
        Output { status, stdout: stdout.into(), stderr: stderr.into() }
    }

    #[test]
    fn what_fails_is_a_sentence() {
        let said = |output| told(&output).unwrap_err().to_string();
        let text = said(output(2, "", "INFO x\nzc: there is no process 7\n\n"));
        assert_eq!(text, "`zc advise` failed (exit status: 2): there is no process 7");
        assert!(said(output(1, "", "")).ends_with("it does not say why"));
        assert!(said(output(0, "{}", "")).contains("report is unknown"));
        let report = r#"{"seconds": 1.0, "findings": [], "not_advised": [{}]}"#;
        assert!(told(&output(0, report, "")).is_ok());
    }

    #[tokio::test]
    async fn a_daemon_is_not_asked() {
        let mut adviser = Adviser::new(true);
        assert!(matches!(adviser.ask(None), State::Failed(why) if why.contains("--connect")));
        assert!(!adviser.is_asked());
    }
}
