//! The manifests: held against the schemas, against what the daemon takes and needs, and run.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use clap::Parser as _;
use serde_json::Value;
use zc_daemon::{
    cli::{self, Cli},
    engine::template::Template,
    host::cgroup::hierarchy,
    kernel::sizes::Sizes,
};
use zc_tests::{
    cgroup::Cgroup,
    programs::{Stage, folder},
    release::{
        container::{Image, words},
        judge, output, packages,
        yaml::{File, any, judged},
    },
    scrape::Metrics,
};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const NAME: &str = "app.kubernetes.io/name";

fn place(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy")).join(path)
}

/// Each file that Kubernetes or the operator reads, and the kinds in it.
const MANIFESTS: [(&str, &[&str]); 3] = [
    (
        "kubernetes/zc.yaml",
        &["Namespace", "ServiceAccount", "PriorityClass", "DaemonSet", "Service", "NetworkPolicy"],
    ),
    ("kubernetes/operator/podmonitor.yaml", &["PodMonitor"]),
    ("kubernetes/operator/prometheusrule.yaml", &["PrometheusRule"]),
];

/// What the schemas say of them.
fn files() -> &'static [File] {
    static FILES: OnceLock<Vec<File>> = OnceLock::new();
    FILES.get_or_init(|| judged(&MANIFESTS.map(|(path, _)| place(path))).unwrap())
}

/// The manifest of this kind.
fn manifest(kind: &str) -> Value {
    let mut found = files().iter().flat_map(|file| &file.documents).filter(|d| d["kind"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "two of {kind}");
    first.clone()
}

/// What is run on each node.
fn pod() -> Value {
    manifest("DaemonSet")["spec"]["template"]["spec"].clone()
}

#[test]
fn the_schemas_take_every_manifest() {
    for (file, (path, expected)) in files().iter().zip(MANIFESTS) {
        let kinds: Vec<_> = file.documents.iter().map(|document| &document["kind"]).collect();
        assert_eq!(kinds, expected, "{path}");
        assert_eq!(file.errors, [""; 0], "{path}");
    }
}

/// One wrong word each, and what the schemas say of it.
const WRONG: [(&str, &str, &str, &str); 6] = [
    (MANIFESTS[0].0, "hostPID: true", "hostPid: true", "hostPid"),
    (MANIFESTS[0].0, "runAsUser: 0", "runAsUser: root", "runAsUser"),
    (MANIFESTS[0].0, "containerPort: 10042", "containerPort: none", "containerPort"),
    (MANIFESTS[1].0, "interval: 30s", "interval: 30 s", "interval"),
    (MANIFESTS[1].0, "sampleLimit", "sampleLimits", "sampleLimits"),
    (MANIFESTS[2].0, "- record:", "- recorded:", "recorded"),
];

/// The twin of the test above.
#[test]
fn the_schemas_find_wrong_manifests() {
    let stage = Stage::new().unwrap();
    let paths: Vec<_> = (0..WRONG.len()).map(|n| stage.path().join(n.to_string())).collect();
    for (path, (file, from, to, _)) in paths.iter().zip(WRONG) {
        let text = fs::read_to_string(place(file)).unwrap();
        assert!(text.contains(from), "no {from}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }
    for (file, (_, from, to, says)) in judged(&paths).unwrap().iter().zip(WRONG) {
        let said = file.errors.join("\n");
        assert!(said.contains(says), "{from} -> {to}: {said:?}");
    }
}

#[test]
fn yamllint_and_hadolint_find_nothing() {
    const RULES: &str = "{extends: default, rules: {line-length: disable, document-start: disable, \
                         comments: {min-spaces-from-content: 1}}}";
    let mut lint = judge("yamllint").unwrap();
    output(lint.args(["--strict", "-d", RULES]).arg(place("kubernetes"))).unwrap();
    let hadolint = || judge("hadolint").unwrap();
    let file = place("container/Containerfile");
    output(hadolint().arg(&file)).unwrap();
    // Its twin.
    let stage = Stage::new().unwrap();
    let wrong = stage.path().join("Containerfile");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&wrong, text.replace("FROM scratch", "FROM debian")).unwrap();
    output(hadolint().arg(&wrong)).unwrap_err();
}

#[test]
fn names_labels_ports_and_versions_agree() {
    let set = manifest("DaemonSet");
    let labels = &set["spec"]["template"]["metadata"]["labels"];
    assert_eq!(labels[NAME], "zc");
    let monitor = manifest("PodMonitor");
    let (service, policy) = (manifest("Service"), manifest("NetworkPolicy"));
    for selector in [
        &set["spec"]["selector"]["matchLabels"],
        &service["spec"]["selector"],
        &policy["spec"]["podSelector"]["matchLabels"],
        &monitor["spec"]["selector"]["matchLabels"],
    ] {
        let selector = selector.as_object().unwrap();
        assert!(!selector.is_empty());
        assert!(selector.iter().all(|(key, value)| labels[key] == *value), "{selector:?}");
    }
    for version in [&labels, &&set["metadata"]["labels"]] {
        assert_eq!(version["app.kubernetes.io/version"], VERSION);
    }
    let container = &pod()["containers"][0];
    assert_eq!(container["image"], format!("ghcr.io/zc-project/zc:{VERSION}"));
    let file = fs::read_to_string(place("container/Containerfile")).unwrap();
    assert!(file.contains(&format!("ARG VERSION={VERSION}\n")));

    let port = &container["ports"][0];
    let (address, _) = flags(&words(&container["args"]).unwrap());
    assert_eq!(port["containerPort"], address.port());
    let ours = Cli::try_parse_from(["zc", "run"]).unwrap();
    let cli::Command::Run(ours) = ours.command else { panic!("not run") };
    assert_eq!(ours.web.listen_addresses[0].port(), address.port());
    assert_eq!(service["spec"]["ports"][0]["port"], address.port());
    for named in [
        &service["spec"]["ports"][0]["targetPort"],
        &policy["spec"]["ingress"][0]["ports"][0]["port"],
        &monitor["spec"]["podMetricsEndpoints"][0]["port"],
        &container["livenessProbe"]["httpGet"]["port"],
        &container["readinessProbe"]["httpGet"]["port"],
        &container["startupProbe"]["httpGet"]["port"],
    ] {
        assert_eq!(*named, port["name"]);
    }
    let mounts = container["volumeMounts"].as_array().unwrap();
    assert!(mounts.iter().all(|mount| mount["readOnly"] == true), "{mounts:?}");
}

/// What `zc run` makes of arguments: where it serves, and how many threads it follows.
fn flags(arguments: &[&str]) -> (std::net::SocketAddr, u32) {
    let cli = Cli::try_parse_from(std::iter::once(&"zc").chain(arguments)).unwrap();
    let cli::Command::Run(run) = cli.command else { panic!("{arguments:?} does not run") };
    (run.web.listen_addresses[0], run.attach.threads.unwrap())
}

/// The limit of memory holds what docs/sizing.md says the maps take on a large node of the
/// kind that the manifest is for, and the daemon's own as docs/overhead.md measured it.
#[test]
fn memory_is_as_the_formula_says() {
    const PIDS: u32 = 4_194_304;
    const OWN: u64 = 60_000_000;
    let example = any(place("kubernetes/overlays/example/daemonset.yaml")).unwrap();
    let example = &example["spec"]["template"]["spec"];
    for (pod, cpus) in [(&pod(), 64), (example, 128)] {
        let container = &pod["containers"][0];
        let (_, threads) = flags(&words(&container["args"]).unwrap());
        let needed = Sizes::new(threads, PIDS).bytes(cpus) + OWN;
        let bytes = |what: &str| -> u64 {
            let text = container["resources"][what]["memory"].as_str().unwrap();
            text.strip_suffix("Mi").unwrap().parse::<u64>().unwrap() << 20
        };
        assert!(bytes("limits") > needed, "{threads}: {needed} of {}", bytes("limits"));
        assert!(bytes("limits") < 2 * needed, "{threads}: {needed} of {}", bytes("limits"));
        assert!(bytes("requests") <= bytes("limits"));
    }
}

/// No kustomize is to be had where tests run: that each file is what it would read is held here.
#[test]
fn kustomizations_name_what_there_is() {
    let known =
        ["apiVersion", "kind", "namespace", "resources", "images", "configMapGenerator", "patches"];
    for folder in ["kubernetes", "kubernetes/operator", "kubernetes/overlays/example"] {
        let folder = place(folder);
        let all = any(folder.join("kustomization.yaml")).unwrap();
        let fields = all.as_object().unwrap();
        assert!(fields.keys().all(|key| known.contains(&key.as_str())), "{fields:?}");
        assert_eq!(fields["apiVersion"], "kustomize.config.k8s.io/v1beta1");
        for resource in words(&fields["resources"]).unwrap() {
            let path = folder.join(resource);
            assert!(path.is_file() || path.join("kustomization.yaml").is_file(), "{path:?}");
        }
    }
    let folder = place("kubernetes/overlays/example");
    let example = any(folder.join("kustomization.yaml")).unwrap();
    let image = pod()["containers"][0]["image"].as_str().unwrap().to_owned();
    assert_eq!(format!("{}:{VERSION}", example["images"][0]["name"].as_str().unwrap()), image);
    assert_eq!(example["images"][0]["newTag"], VERSION);
    let generated = &example["configMapGenerator"][0];
    let file = words(&generated["files"]).unwrap()[0].to_owned();
    Template::parse(&fs::read_to_string(folder.join(&file)).unwrap()).unwrap();
    // What is patched is there, and what the patch mounts is what is generated.
    let patch = any(folder.join("daemonset.yaml")).unwrap();
    let set = manifest("DaemonSet");
    for field in ["kind", "apiVersion"] {
        assert_eq!(patch[field], set[field]);
    }
    let patched = &patch["spec"]["template"]["spec"];
    assert_eq!(patched["containers"][0]["name"], pod()["containers"][0]["name"]);
    assert_eq!(patched["volumes"][0]["configMap"]["name"], generated["name"]);
    let mounted = patched["containers"][0]["volumeMounts"][0]["mountPath"].as_str().unwrap();
    let told = format!("--group-template={mounted}/{file}");
    assert!(words(&patched["containers"][0]["args"]).unwrap().contains(&told.as_str()));
}

/// The bits of `CAP_PERFMON` and `CAP_BPF` (linux/capability.h).
const HELD: u64 = 1 << 38 | 1 << 39;

/// A pod as kubelet and runtimes name it.
const UID: &str = "0f8b5a3c-52a1-4c0e-9d1f-6f0d5d0a9b11";
const ID: &str = "3b1f0c2d4e5f60718293a4b5c6d7e8f90123456789abcdef0123456789abcdef";

/// The image runs as the manifest has it, serves, and knows a pod by its name and its bytes; and
/// as the example of a site's own has it.
#[test]
fn the_image_runs_as_the_manifest_says() {
    let image = Image::build(&place("container/Containerfile")).unwrap();
    no_capability_could_be_left_out(&image);
    let said = output(image.podman().args(["run", "--rm", "--network=none"]).args([
        "--ulimit=nofile=1024:1024",
        "--ulimit=nproc=1024:1024",
        "zc",
        "--version",
    ]));
    assert_eq!(said.unwrap(), format!("zc {VERSION}\n"));

    let stage = Stage::new().unwrap();
    let logs = stage.path().join("pods");
    fs::create_dir_all(logs.join(format!("shop_cart-0_{UID}"))).unwrap();
    let (pod, volumes) = (pod(), [("/var/log/pods", logs.as_path())]);
    let arguments = words(&pod["containers"][0]["args"]).unwrap();
    let container = image.start(image.command(&pod, &volumes).unwrap(), &arguments).unwrap();
    let bounding = u64::from_str_radix(&container.status("CapBnd").unwrap(), 16).unwrap();
    assert_eq!(bounding, HELD);
    let held = u64::from_str_radix(&container.status("CapPrm").unwrap(), 16).unwrap();
    assert_eq!(held & !HELD, 0);
    assert_eq!(container.status("NoNewPrivs").unwrap(), "1");
    assert_eq!(container.status("Seccomp").unwrap(), "2");
    assert!(container.page("/-/healthy").is_ok());

    // Made while it runs, and gone before it is asked.
    let root = hierarchy(None).unwrap().unwrap().root;
    let cgroup = Cgroup::within(&root, &format!("kubepods/burstable/pod{UID}/{ID}")).unwrap();
    let file = stage.path().join("file");
    let script = format!(
        "echo $$ >{}/cgroup.procs; exec dd if=/dev/zero of={} bs=64k count=16 2>/dev/null",
        cgroup.path().display(),
        file.display()
    );
    assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    drop(cgroup);
    let metrics = Metrics::parse(&container.page("/metrics").unwrap()).unwrap();
    let by = ["route", "endpoint"];
    let rows = metrics.group("zc_transferred_bytes_total", "shop/cart-0", &by).unwrap();
    assert_eq!(rows[["write", "file"].map(str::to_owned).as_slice()], 1 << 20);
    drop(container);

    let example = place("kubernetes/overlays/example");
    let patch = any(example.join("daemonset.yaml")).unwrap();
    let arguments = &patch["spec"]["template"]["spec"]["containers"][0]["args"];
    let mut run = image.command(&pod, &volumes).unwrap();
    run.arg(format!("--volume={}:/etc/zc:ro", example.display()));
    image.start(run, &words(arguments).unwrap()).unwrap();
}

/// Each capability that the manifest adds is needed: without it zc says so, and does not start.
fn no_capability_could_be_left_out(image: &Image) {
    let pod = pod();
    let names = words(&pod["containers"][0]["securityContext"]["capabilities"]["add"]).unwrap();
    assert_eq!(names.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from(["BPF", "PERFMON"]));
    let stage = Stage::new().unwrap();
    let volumes = [("/var/log/pods", stage.path())];
    for (left_out, name) in names.iter().enumerate() {
        let mut less = pod.clone();
        let context = &mut less["containers"][0]["securityContext"];
        context["capabilities"]["add"].as_array_mut().unwrap().remove(left_out);
        let mut run = image.command(&less, &volumes).unwrap();
        let output = run.args(["zc", "run"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "without {name}: {said}");
        assert!(said.contains("CAP_BPF and CAP_PERFMON"), "{said}");
    }
}

/// The program of the image needs no other file.
#[test]
fn the_program_is_static() {
    let zc = packages().unwrap().join("first/zc");
    let headers = output(Command::new("readelf").args(["--program-headers"]).arg(&zc)).unwrap();
    assert!(headers.contains("LOAD") && !headers.contains("INTERP"), "{headers}");
    let needed = output(Command::new("readelf").arg("--dynamic").arg(&zc)).unwrap();
    assert!(!needed.contains("NEEDED"), "{needed}");
    // Its twin: the one that is not static.
    let other = folder().unwrap().join("zc");
    let needed = output(Command::new("readelf").arg("--dynamic").arg(other)).unwrap();
    assert!(needed.contains("NEEDED"), "{needed}");
}
