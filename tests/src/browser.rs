//! Chromium without a screen, told what to do by its DevTools protocol over two pipes.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    os::fd::{AsRawFd as _, OwnedFd},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::pipe::pipe;
use serde_json::{Value, json};

/// A running Chromium with one tab.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    to: File,
    from: BufReader<File>,
    session: Option<String>,
    next: u64,
    /// What it told without being asked.
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

/// Gives the command, as 3 and 4, the descriptors that the protocol is spoken on.
const PIPED: &str = "read=$1; write=$2; shift 2; exec \"$@\" 3<&$read 4>&$write";

impl Browser {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// If it is not installed or does not answer.
    pub fn start() -> Result<Self> {
        let profile = tempfile::tempdir()?;
        // Not closed on exec: the shell hands them on.
        let (from_us, to) = pipe()?;
        let (from, to_us) = pipe()?;
        keep_to_ourselves([&to, &from])?;
        let child = Command::new("sh")
            .args(["-c", PIPED, "sh", &from_us.as_raw_fd().to_string()])
            .arg(to_us.as_raw_fd().to_string())
            .args(["chromium-headless-shell", "--remote-debugging-pipe", "--no-sandbox"])
            .args(["--disable-gpu", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start chromium")?;
        let (to, from) = (File::from(to), BufReader::new(File::from(from)));
        let session = None;
        let events = Vec::new();
        let mut browser = Self { child, to, from, session, next: 0, events, _profile: profile };
        drop((from_us, to_us));
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }))?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", &attach)?;
        browser.session = session["sessionId"].as_str().map(ToOwned::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.call(domain, &json!({}))?;
        }
        Ok(browser)
    }

    /// Calls a method; its result.
    ///
    /// # Errors
    ///
    /// If it fails, or the browser ends.
    pub fn call(&mut self, method: &str, parameters: &Value) -> Result<Value> {
        self.next += 1;
        let id = self.next;
        let mut call = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            call["sessionId"] = json!(session);
        }
        self.to.write_all(call.to_string().as_bytes())?;
        self.to.write_all(&[0])?;
        loop {
            let mut message = Vec::new();
            self.from.read_until(0, &mut message)?;
            ensure!(message.pop().is_some(), "chromium has ended");
            let message: Value = serde_json::from_slice(&message)?;
            if message["id"] != id {
                self.events.push(message);
            } else if message["error"].is_null() {
                return Ok(message["result"].clone());
            } else {
                bail!("{method}: {}", message["error"]);
            }
        }
    }

    /// What an expression gives, once a promise of it is kept.
    ///
    /// # Errors
    ///
    /// If it throws.
    pub fn value(&mut self, expression: &str) -> Result<Value> {
        let ask = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", &ask)?;
        ensure!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        Ok(answer["result"]["value"].take())
    }

    /// Goes to a page, and waits until its expression is true.
    ///
    /// # Errors
    ///
    /// If it does not become so.
    pub fn open(&mut self, url: &str, until: &str) -> Result<()> {
        self.call("Page.navigate", &json!({ "url": url }))?;
        self.comes_to(until)
    }

    /// Waits until an expression is true.
    ///
    /// # Errors
    ///
    /// If it does not become so.
    pub fn comes_to(&mut self, expression: &str) -> Result<()> {
        for _ in 0..600 {
            if self.value(expression).is_ok_and(|value| value == true) {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        bail!("{expression} does not come true: {}", self.value("document.body.innerText")?)
    }

    /// The size of the window, and the scheme of colours that its user likes.
    ///
    /// # Errors
    ///
    /// If the browser refuses.
    pub fn look(&mut self, [width, height]: [u32; 2], scheme: &str) -> Result<()> {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500
        });
        self.call("Emulation.setDeviceMetricsOverride", &size)?;
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", &json!({ "features": features }))?;
        Ok(())
    }

    /// A picture of what is to be seen, as PNG in base64, written with `decode` to a file.
    ///
    /// # Errors
    ///
    /// If it cannot be taken.
    pub fn picture(&mut self, file: &Path) -> Result<()> {
        let picture = self.call("Page.captureScreenshot", &json!({ "format": "png" }))?;
        let data = picture["data"].as_str().context("no picture")?;
        let mut decode = Command::new("base64")
            .arg("-d")
            .stdin(Stdio::piped())
            .stdout(File::create(file)?)
            .spawn()?;
        decode.stdin.take().context("no standard input")?.write_all(data.as_bytes())?;
        ensure!(decode.wait()?.success(), "the picture is no base64");
        Ok(())
    }

    /// What went wrong on the page: exceptions, and entries of the log that are errors.
    #[must_use]
    pub fn complaints(&self) -> Vec<&Value> {
        let wrong = |event: &&Value| {
            event["method"] == "Runtime.exceptionThrown"
                || event["params"]["entry"]["level"] == "error"
                || event["method"] == "Page.javascriptDialogOpening"
        };
        self.events.iter().filter(wrong).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends its own children; it may have ended by itself.
        let _ = self.call("Browser.close", &json!({}));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The far ends of its pipes would keep them open in the browser.
fn keep_to_ourselves(ends: [&OwnedFd; 2]) -> Result<()> {
    for end in ends {
        rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
    }
    Ok(())
}
