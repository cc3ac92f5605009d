//! A real Prometheus, that of Debian, and what it answers.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::file;
use crate::programs;

/// A running Prometheus that scrapes one zc every second, by the sample configuration.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    address: String,
    /// Its configuration and data, which go with it.
    folder: tempfile::TempDir,
}

/// One series of an answer: its labels, and its value or values by time.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its labels.
    pub labels: Value,
    /// Pairs of time and value.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// A label, or nothing.
    #[must_use]
    pub fn label(&self, name: &str) -> &str {
        self.labels[name].as_str().unwrap_or("")
    }

    /// The last value.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.points.last().map_or(f64::NAN, |(_, value)| *value)
    }
}

/// How long whatever is waited for may take: machines are loaded.
const PATIENCE: Duration = Duration::from_secs(60);

/// The files that an operator copies.
const FILES: &[&str] = &["deploy/prometheus/prometheus.yml", super::rules::FILE];

impl Prometheus {
    /// Starts one in a folder of its own, with the files of `deploy/prometheus`.
    ///
    /// # Errors
    ///
    /// If it does not come to serve; its log is in the error.
    pub fn start(target: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("zc-prometheus-").tempdir()?;
        let there =
            |path: &str| folder.path().join(Path::new(path).file_name().unwrap_or_default());
        for path in FILES {
            fs::copy(file(path), there(path))?;
        }
        let config = there(FILES[0]);
        fs::write(&config, every_second(&fs::read_to_string(&config)?, target)?)?;
        // Whoever takes the port in between has this fail, which is told.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let log = fs::File::create(folder.path().join("log"))?;
        let mut command = Command::new(program("prometheus")?);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--query.lookback-delta=10s")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let child = command.spawn().context("cannot start prometheus")?;
        let mut started = Self { child, address, folder };
        started.comes_to_serve()?;
        Ok(started)
    }

    fn comes_to_serve(&mut self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while self.get("/-/ready", &[]).is_err() {
            let ended = self.child.try_wait()?.is_some();
            if ended || Instant::now() > until {
                let log = fs::read_to_string(self.folder.path().join("log"))?;
                bail!("prometheus does not come to serve: {log}");
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Where it serves.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<String> {
        let mut request = ureq::get(format!("http://{}{path}", self.address))
            .config()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build();
        for (name, value) in query {
            request = request.query(name, value);
        }
        let mut answer = request.call()?;
        let text = answer.body_mut().with_config().limit(64 << 20).read_to_string()?;
        ensure!(answer.status().is_success(), "{path} {query:?}: {text}");
        Ok(text)
    }

    /// The `data` of one of the pages of its API.
    ///
    /// # Errors
    ///
    /// If it answers with an error.
    pub fn api(&self, page: &str, query: &[(&str, &str)]) -> Result<Value> {
        let text = self.get(&format!("/api/v1/{page}"), query)?;
        let mut answer: Value = serde_json::from_str(&text)?;
        ensure!(answer["status"] == "success", "{page} {query:?}: {answer}");
        Ok(answer["data"].take())
    }

    /// What an expression is now.
    ///
    /// # Errors
    ///
    /// If it cannot be evaluated.
    pub fn query(&self, promql: &str) -> Result<Vec<Series>> {
        series(&self.api("query", &[("query", promql)])?, promql)
    }

    /// What an expression was at a time, in seconds.
    ///
    /// # Errors
    ///
    /// As [`Self::query`].
    pub fn query_at(&self, promql: &str, time: f64) -> Result<Vec<Series>> {
        let time = time.to_string();
        series(&self.api("query", &[("query", promql), ("time", &time)])?, promql)
    }

    /// What an expression was every second, from one time to another.
    ///
    /// # Errors
    ///
    /// As [`Self::query`].
    pub fn range(&self, promql: &str, (from, to): (f64, f64)) -> Result<Vec<Series>> {
        let (from, to) = (from.to_string(), to.to_string());
        let query = [("query", promql), ("start", &from), ("end", &to), ("step", "1")];
        series(&self.api("query_range", &query)?, promql)
    }

    /// The only value of an expression now, or none.
    ///
    /// # Errors
    ///
    /// If it has more than one.
    pub fn value(&self, promql: &str) -> Result<Option<f64>> {
        let found = self.query(promql)?;
        ensure!(found.len() < 2, "{promql} has more than one value: {found:?}");
        Ok(found.first().map(Series::value))
    }

    /// Waits until an expression has values, and those are as wanted.
    ///
    /// # Errors
    ///
    /// If it does not come to that; what it is then is in the error.
    pub fn comes_to(
        &self,
        promql: &str,
        wanted: impl Fn(&[Series]) -> bool,
    ) -> Result<Vec<Series>> {
        let until = Instant::now() + PATIENCE;
        loop {
            let found = self.query(promql)?;
            if !found.is_empty() && wanted(&found) {
                return Ok(found);
            }
            ensure!(Instant::now() < until, "{promql} does not come to be: {found:?}");
            thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The sample configuration for a test: every second, and another target.
fn every_second(config: &str, target: &str) -> Result<String> {
    let changes = [
        ("scrape_interval: 15s", "scrape_interval: 1s\n  scrape_timeout: 1s"),
        ("evaluation_interval: 15s", "evaluation_interval: 1s"),
        ("127.0.0.1:10042", target),
    ];
    changes.iter().try_fold(config.to_owned(), |config, (from, to)| {
        ensure!(config.matches(from).count() == 1, "the sample configuration has no {from}");
        Ok(config.replace(from, to))
    })
}

/// The series of an answer.
fn series(data: &Value, promql: &str) -> Result<Vec<Series>> {
    let point = |pair: &Value| {
        let value = pair[1].as_str().and_then(|text| text.parse().ok());
        Some((pair[0].as_f64()?, value?))
    };
    if data["resultType"] == "scalar" {
        let points = point(&data["result"]).into_iter().collect();
        return Ok(vec![Series { labels: Value::Null, points }]);
    }
    let rows = data["result"].as_array().with_context(|| format!("{promql} has no result"))?;
    let row = |row: &Value| {
        let points: Option<Vec<_>> = match row["values"].as_array() {
            Some(values) => values.iter().map(point).collect(),
            None => point(&row["value"]).map(|point| vec![point]),
        };
        let points = points.with_context(|| format!("{promql} has no numbers: {row}"))?;
        Ok(Series { labels: row["metric"].clone(), points })
    };
    rows.iter().map(row).collect()
}

/// One of the programs of the package `prometheus`, as `cargo xtask test` places it.
///
/// # Errors
///
/// If it is not there.
pub fn program(name: &str) -> Result<std::path::PathBuf> {
    let path = programs::folder()?.join(name);
    ensure!(
        path.exists(),
        "there is no {}; `cargo xtask test` and `cargo xtask deploy` fetch it by apt",
        path.display()
    );
    Ok(path)
}

/// What promtool says of what it is given on its standard input, in `deploy/prometheus`.
///
/// # Errors
///
/// If it cannot be run.
pub fn promtool(arguments: &[&str], input: &str) -> Result<Output> {
    use std::io::Write as _;
    let mut command = Command::new(program("promtool")?);
    command.args(arguments).current_dir(file("deploy/prometheus"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start promtool")?;
    let mut stdin = child.stdin.take().context("promtool has no standard input")?;
    let text = input.to_owned();
    let given = thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output()?;
    // One that needs no input may have ended before it was given all.
    let _ = given.join();
    Ok(output)
}
