//! The image, and containers of it as a pod's manifest has them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{output, packages};

/// The image, built of the Containerfile into a store of its own.
#[derive(Debug)]
pub struct Image {
    store: TempDir,
}

/// A container that runs.
#[derive(Debug)]
pub struct Container<'a> {
    image: &'a Image,
    name: String,
    pid: String,
}

impl Image {
    /// Builds it.
    ///
    /// # Errors
    ///
    /// If Podman does not.
    pub fn build(containerfile: &Path) -> Result<Self> {
        let image = Self { store: TempDir::new()? };
        let mut build = image.podman();
        build.args(["build", "--quiet", "--tag", "zc", "--file"]).arg(containerfile);
        output(build.arg(packages()?.join("first")))?;
        image.write_profile()?;
        Ok(image)
    }

    /// Podman, with what it stores in a folder that goes with the test. By runc, as crun takes no
    /// machine that mounts both versions of cgroups.
    #[must_use]
    pub fn podman(&self) -> Command {
        let mut podman = Command::new("podman");
        podman.args(["--storage-driver=vfs", "--runtime=runc", "--cgroup-manager=cgroupfs"]);
        for (flag, name) in [("--root", "root"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
            podman.arg(flag).arg(self.store.path().join(name));
        }
        podman.stdin(Stdio::null());
        podman
    }

    /// The command that runs a container of a pod's manifest, but for what follows the image:
    /// the kubelet's words in Podman's. `volumes` are mounted in place of those of the machine.
    ///
    /// # Errors
    ///
    /// If the manifest lacks something.
    pub fn command(&self, pod: &Value, volumes: &[(&str, &Path)]) -> Result<Command> {
        let context = &pod["containers"][0]["securityContext"];
        let mut run = self.podman();
        run.args(["run", "--rm", "--network=none", "--cap-drop=all"]);
        // What Podman gives by itself this machine may not be let give.
        run.args(["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]);
        run.arg(format!("--user={}:{}", context["runAsUser"], context["runAsGroup"]));
        for name in words(&context["capabilities"]["add"])? {
            run.arg(format!("--cap-add={name}"));
        }
        let flags = [
            (pod["hostPID"] == true, "--pid=host"),
            (context["readOnlyRootFilesystem"] == true, "--read-only"),
            (context["allowPrivilegeEscalation"] == false, "--security-opt=no-new-privileges"),
        ];
        run.args(flags.iter().filter(|(wanted, _)| *wanted).map(|(_, flag)| flag));
        let profile = self.store.path().join("seccomp.json");
        run.arg(format!("--security-opt=seccomp={}", profile.display()));
        for mount in pod["containers"][0]["volumeMounts"].as_array().context("no mounts")? {
            run.arg(format!("--volume={}", volume(pod, mount, volumes)?));
        }
        Ok(run)
    }

    /// The seccomp profile of a runtime that lets `bpf` pass with `CAP_BPF`, as containerd from
    /// 1.6.9: this machine's, which may be older, with these two rules.
    fn write_profile(&self) -> Result<()> {
        let text = fs::read_to_string("/usr/share/containers/seccomp.json")?;
        let mut profile: Value = serde_json::from_str(&text)?;
        let rules = profile["syscalls"].as_array_mut().context("a profile without rules")?;
        for rule in rules.iter_mut().filter(|rule| rule["action"] != "SCMP_ACT_ALLOW") {
            let names = rule["names"].as_array_mut().context("a rule without names")?;
            names.retain(|name| name != "bpf" && name != "perf_event_open");
        }
        for (name, capability) in [("bpf", "CAP_BPF"), ("perf_event_open", "CAP_PERFMON")] {
            let only = json!({ "caps": [capability] });
            rules.push(json!({ "names": [name], "action": "SCMP_ACT_ALLOW", "includes": only }));
        }
        Ok(fs::write(self.store.path().join("seccomp.json"), profile.to_string())?)
    }

    /// Starts a container, and waits until the page that its manifest's probe asks for is there.
    ///
    /// # Errors
    ///
    /// If it does not come to that; its log is in the error.
    pub fn start(&self, mut run: Command, arguments: &[&str]) -> Result<Container<'_>> {
        let name = output(run.args(["--detach", "zc"]).args(arguments))?.trim().to_owned();
        let mut inspect = self.podman();
        let pid = output(inspect.args(["inspect", "--format", "{{.State.Pid}}", &name]))?;
        let container = Container { image: self, name, pid: pid.trim().to_owned() };
        let began = Instant::now();
        while container.page("/-/ready").is_err() {
            ensure!(
                began.elapsed() < Duration::from_secs(60),
                "it does not become ready: {}",
                container.log()
            );
            sleep(Duration::from_millis(100));
        }
        Ok(container)
    }
}

/// A volume of a container, as Podman's flag has it.
fn volume(pod: &Value, mount: &Value, volumes: &[(&str, &Path)]) -> Result<String> {
    let all = pod["volumes"].as_array().context("no volumes")?;
    let found = all.iter().find(|volume| volume["name"] == mount["name"]);
    let path = found.and_then(|volume| volume["hostPath"]["path"].as_str()).context("no path")?;
    let place = mount["mountPath"].as_str().context("no place")?;
    let other = volumes.iter().find(|(name, _)| *name == path);
    let path = other.map_or_else(|| PathBuf::from(path), |(_, path)| (*path).to_owned());
    let only = if mount["readOnly"] == true { "ro" } else { "rw" };
    Ok(format!("{}:{place}:{only}", path.display()))
}

/// The words of a list.
///
/// # Errors
///
/// If it is none.
pub fn words(list: &Value) -> Result<Vec<&str>> {
    let list = list.as_array().with_context(|| format!("{list} is no list"))?;
    list.iter().map(|word| word.as_str().context("no word")).collect()
}

impl Container<'_> {
    /// A page that it serves, asked for in its own network.
    ///
    /// # Errors
    ///
    /// If it is not served.
    pub fn page(&self, path: &str) -> Result<String> {
        let url = format!("http://127.0.0.1:10042{path}");
        let mut curl = Command::new("nsenter");
        curl.args(["--net", "--target", &self.pid, "curl", "--silent", "--fail", &url]);
        output(&mut curl)
    }

    /// A field of its first process' status.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn status(&self, field: &str) -> Result<String> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t"));
        Ok(line.context("no such field")?.to_owned())
    }

    /// What it said.
    #[must_use]
    pub fn log(&self) -> String {
        let output = self.image.podman().args(["logs", &self.name]).output();
        output.map_or_else(
            |error| error.to_string(),
            |Output { stderr, .. }| String::from_utf8_lossy(&stderr).into_owned(),
        )
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // What is left is in a folder that goes with the test.
        let mut stop = self.image.podman();
        let _ = stop.args(["rm", "--force", "--time=10", &self.name]).output();
    }
}
