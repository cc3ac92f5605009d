//! `/`: what this is and where things are.

/// The page.
#[must_use]
pub fn page() -> String {
    format!(
        "<!DOCTYPE html>
<html lang=\"en\">
<head><meta charset=\"utf-8\"><title>zc</title>
<meta name=\"viewport\" content=\"width=device-width\">
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; \
padding: 0 1rem; color-scheme: light dark }}</style></head>
<body>
<h1>zc {version}</h1>
<p>Per process: the bytes the kernel moved, what its CPU copied of them, system calls,
context switches and page faults.</p>
<ul>
<li><a href=\"/metrics\">/metrics</a>: Prometheus exposition, by group</li>
<li><a href=\"/api/v1/processes\">/api/v1/processes</a>: JSON, by process</li>
<li><a href=\"/-/healthy\">/-/healthy</a>, <a href=\"/-/ready\">/-/ready</a>: for supervisors</li>
</ul>
</body>
</html>
",
        version = env!("CARGO_PKG_VERSION")
    )
}
