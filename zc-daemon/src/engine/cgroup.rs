//! What the path of a cgroup says of who is in it: systemd unit, container, pod.

/// What a path says; of what is nested, the innermost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place<'a> {
    /// The systemd unit: a service, scope, socket, mount or swap; a slice has no processes.
    pub unit: Option<&'a str>,
    /// The container's id.
    pub container: Option<&'a str>,
    /// What runs the container, where the path says it.
    pub runtime: Option<&'static str>,
    /// The UID of the Kubernetes pod.
    pub pod: Option<String>,
}

/// Units whose processes have a cgroup of that name.
const UNITS: &[&str] = &[".service", ".scope", ".socket", ".mount", ".swap"];

/// How runtimes begin the name of a container's cgroup. What monitors a container
/// (`crio-conmon-ID.scope`) is none.
const PREFIXES: &[(&str, &str)] = &[
    ("docker-", "docker"),
    ("cri-containerd-", "containerd"),
    ("nerdctl-", "containerd"),
    ("crio-", "cri-o"),
    ("libpod-", "podman"),
    ("libpod-payload-", "podman"),
];

/// How they call the cgroup above, where a container's own has its id for a name.
const PARENTS: &[(&str, &str)] = &[
    ("docker", "docker"),
    ("libpod_parent", "podman"),
    ("default", "containerd"),
    ("k8s.io", "containerd"),
];

impl<'a> Place<'a> {
    /// Reads a path below the root of its hierarchy, as in `/proc/PID/cgroup`.
    #[must_use]
    pub fn of(path: &'a str) -> Self {
        let mut place = Self::default();
        let mut above = "";
        for name in path.split('/').filter(|name| !name.is_empty()) {
            if let Some(unit) = unit(name) {
                place.unit = Some(unit);
            }
            if let Some(pod) = name.split(':').find_map(pod) {
                // What is outside of a pod is not in it.
                (place.pod, place.container, place.runtime) = (Some(pod), None, None);
            }
            if let Some((id, runtime)) = container(name, above) {
                (place.container, place.runtime) = (Some(id), runtime);
            }
            above = name;
        }
        place
    }
}

/// The unit of a cgroup; systemd puts a `_` before a name that the kernel could take for its
/// own.
fn unit(name: &str) -> Option<&str> {
    let unit = name.strip_prefix('_').unwrap_or(name);
    let ends = |suffix: &str| unit.strip_suffix(suffix).is_some_and(|name| !name.is_empty());
    UNITS.iter().any(|suffix| ends(suffix)).then_some(unit)
}

/// A container's id, and what runs it.
fn container<'a>(name: &'a str, above: &str) -> Option<(&'a str, Option<&'static str>)> {
    // Where the runtime was set to systemd's form of path, but not to its driver.
    if let Some((_, rest)) = name.split_once(':')
        && let Some((prefix, id)) = rest.rsplit_once(':')
    {
        let runtime = PREFIXES.iter().find(|(known, _)| known.strip_suffix('-') == Some(prefix));
        return is_id(id).then_some((id, runtime.map(|(_, runtime)| *runtime)));
    }
    let name = name.strip_suffix(".scope").unwrap_or(name);
    if is_id(name) {
        let runtime = PARENTS.iter().find(|(known, _)| *known == above);
        return Some((name, runtime.map(|(_, runtime)| *runtime)));
    }
    PREFIXES.iter().find_map(|(prefix, runtime)| {
        let id = name.strip_prefix(prefix)?;
        is_id(id).then_some((id, Some(*runtime)))
    })
}

/// Whether it is a container's id: 64 hexadecimal digits.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The UID of a pod, from the name of its cgroup: a UUID, in which kubelet writes `_` for `-`
/// where systemd makes the cgroup, or the 32 digits of a pod that a file defines.
fn pod(name: &str) -> Option<String> {
    let name = name.strip_suffix(".slice").unwrap_or(name);
    let uid = name.strip_prefix("pod").or_else(|| name.rsplit_once("-pod").map(|(_, uid)| uid))?;
    let uid = uid.replace('_', "-");
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts: Vec<_> = uid.split('-').collect();
    let lengths: Vec<_> = parts.iter().map(|part| part.len()).collect();
    let known = lengths == [8, 4, 4, 4, 12] || lengths == [32];
    (known && parts.iter().all(|part| is_hex(part))).then_some(uid)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "1b2c3d4e-0000-4a5b-8c7d-0123456789ab";

    /// `ID` and `UID` in a path, with `-` and with `_`, stand for the two above.
    const PATHS: &[(&str, [&str; 4])] = &[
        // Path; unit, container, runtime, pod.
        ("/", ["", "", "", ""]),
        ("/system.slice/nginx.service", ["nginx.service", "", "", ""]),
        ("/system.slice/system-getty.slice/getty@tty1.service", ["getty@tty1.service", "", "", ""]),
        ("/system.slice/nginx.service/worker", ["nginx.service", "", "", ""]),
        ("/system.slice/_cpu.service", ["cpu.service", "", "", ""]),
        ("/system.slice", ["", "", "", ""]),
        ("/system.slice/.service", ["", "", "", ""]),
        ("/init.scope", ["init.scope", "", "", ""]),
        ("/system.slice/cups.socket", ["cups.socket", "", "", ""]),
        ("/user.slice/user-1000.slice/session-3.scope", ["session-3.scope", "", "", ""]),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.service",
            ["app-x.service", "", "", ""],
        ),
        ("/docker/ID", ["", "ID", "docker", ""]),
        ("/docker/ID/init", ["", "ID", "docker", ""]),
        ("/docker/0123456789ab", ["", "", "", ""]),
        ("/docker/buildx", ["", "", "", ""]),
        ("/system.slice/docker-ID.scope", ["docker-ID.scope", "ID", "docker", ""]),
        ("/system.slice/docker-ID.scope/system.slice/a.service", ["a.service", "ID", "docker", ""]),
        ("/default/ID", ["", "ID", "containerd", ""]),
        ("/ecs/task/ID", ["", "ID", "", ""]),
        ("/system.slice/nerdctl-ID.scope", ["nerdctl-ID.scope", "ID", "containerd", ""]),
        ("/machine.slice/libpod-ID.scope", ["libpod-ID.scope", "ID", "podman", ""]),
        ("/machine.slice/libpod-ID.scope/container", ["libpod-ID.scope", "ID", "podman", ""]),
        ("/user.slice/x.service/libpod-payload-ID", ["x.service", "ID", "podman", ""]),
        ("/machine.slice/libpod-conmon-ID.scope", ["libpod-conmon-ID.scope", "", "", ""]),
        ("/libpod_parent/libpod-ID", ["", "ID", "podman", ""]),
        ("/libpod_parent/ID", ["", "ID", "podman", ""]),
        ("/kubepods/besteffort/podUID/ID", ["", "ID", "", "UID"]),
        ("/kubepods/podUID/crio-ID", ["", "ID", "cri-o", "UID"]),
        ("/kubepods/burstable/podUID", ["", "", "", "UID"]),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_ID.slice/cri-containerd-ID.scope",
            ["cri-containerd-ID.scope", "ID", "containerd", "UID"],
        ),
        (
            "/kubepods.slice/kubepods-podU_ID.slice/crio-ID.scope",
            ["crio-ID.scope", "ID", "cri-o", "UID"],
        ),
        (
            "/kubepods.slice/kubepods-podU_ID.slice/crio-conmon-ID.scope",
            ["crio-conmon-ID.scope", "", "", "UID"],
        ),
        (
            "/system.slice/containerd.service/kubepods-besteffort-podU_ID.slice:cri-containerd:ID",
            ["containerd.service", "ID", "containerd", "UID"],
        ),
        (
            "/kubepods/burstable/pod0123456789abcdef0123456789abcdef/ID",
            ["", "ID", "", "0123456789abcdef0123456789abcdef"],
        ),
        // A cluster in a container: what is inside counts.
        (
            "/docker/0000000000000000000000000000000000000000000000000000000000000000/kubelet/\
             kubepods/podUID/ID",
            ["", "ID", "", "UID"],
        ),
        ("/podman/x", ["", "", "", ""]),
        ("/kubepods/pod12", ["", "", "", ""]),
    ];

    #[test]
    fn paths_of_every_runtime_are_told() {
        for (path, [unit, container, runtime, pod]) in PATHS {
            let fill = |text: &str| {
                let text = text.replace("U_ID", &UID.replace('-', "_"));
                text.replace("UID", UID).replace("ID", ID)
            };
            let path = fill(path);
            let place = Place::of(&path);
            let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
            let told = [text(place.unit), text(place.container), text(place.runtime)];
            assert_eq!(told, [fill(unit), fill(container), (*runtime).to_owned()], "{path}");
            assert_eq!(place.pod.unwrap_or_default(), fill(pod), "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_is_too_strange(path in "(/?(pod|docker-|:|_|-|\\PC|[0-9a-f]{64}|\\.scope)){0,20}") {
            let place = Place::of(&path);
            for part in [place.unit, place.container].into_iter().flatten() {
                prop_assert!(path.contains(part));
            }
        }
    }
}
