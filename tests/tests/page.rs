//! The live page, in a browser.

#![expect(clippy::unwrap_used, reason = "a test that panics says what failed, and where")]

use std::{
    env,
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::json;
use zc_tests::{browser::Browser, daemon::Daemon, http::ask, programs::Stage};

/// A name that would run, were it not text.
const HOSTILE: &str = "<img src=x onerror=alert(1)>";

/// Something that copies for as long as it is kept.
struct Busy(Child);

impl Busy {
    fn start(stage: &Stage, name: &str) -> Self {
        let link = stage.path().join(OsStr::from_bytes(name.as_bytes()));
        // A copy, not a link: groups are by the name of the file that runs.
        fs::copy("/usr/bin/dd", &link).unwrap();
        let mut dd = Command::new(link);
        // What it reads is filled, what it writes is copied: one copy of each byte.
        dd.args(["if=/dev/zero", "of=/dev/stdout", "bs=64k", "status=none"]);
        let mut dd = dd.stdout(Stdio::piped()).spawn().unwrap();
        let mut pipe = dd.stdout.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut pipe, &mut std::io::sink()));
        Self(dd)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a row of the groups says, by its name; none if it is not there.
fn row(name: &str) -> String {
    format!(
        "[...document.querySelectorAll('#groups tr')].map(row => [...row.cells].map(cell => \
         cell.innerText.trim())).find(cells => cells[0] === {})",
        json!(name)
    )
}

/// Where pictures go: beside the test's own files, or where the environment says.
fn pictures(stage: &Stage) -> PathBuf {
    env::var_os("ZC_PICTURES").map_or_else(|| stage.path().to_owned(), PathBuf::from)
}

#[test]
fn it_shows_what_is_copied_and_runs_nothing_that_it_shows() {
    let stage = Stage::new().unwrap();
    let daemon = Daemon::start_with(&["--group-by", "exe"]).unwrap();
    let names = ["plainly-busy", HOSTILE];
    let _busy: Vec<_> = names.iter().map(|name| Busy::start(&stage, name)).collect();
    let mut browser = Browser::start().unwrap();
    browser.look([1200, 900], "light").unwrap();
    let url = format!("http://{}/", daemon.address());
    browser.open(&url, "document.body && document.body.dataset.live === 'yes'").unwrap();
    for name in names {
        browser.comes_to(&format!("!!({})", row(name))).unwrap();
        let cells = browser.value(&row(name)).unwrap();
        let cell = |number: usize| cells[number].as_str().unwrap().to_owned();
        assert!(cell(1).contains("iB/s"), "{cells}");
        assert!(cell(1).contains("inferred") || cell(1).contains("measured"), "{cells}");
        let ratio: f64 = cell(2).trim_start_matches("≥ ").parse().unwrap();
        assert!((0.5..=1.5).contains(&ratio), "{cells}");
    }
    assert_eq!(browser.value("document.querySelectorAll('img').length").unwrap(), 0);
    // Without --mode-switches that probe may be down; it is said, and shown as no zero.
    let coverage = browser.value("document.getElementById('coverage').innerText").unwrap();
    assert!(coverage.as_str().unwrap().contains("probes are attached"), "{coverage}");
    for (size, scheme, name) in [
        ([1200, 900], "light", "light"),
        ([1200, 900], "dark", "dark"),
        ([400, 900], "light", "narrow"),
        ([400, 900], "dark", "narrow-dark"),
    ] {
        browser.look(size, scheme).unwrap();
        let wide = browser.value("document.documentElement.scrollWidth").unwrap();
        assert!(wide.as_u64() <= Some(size[0].into()), "{name}: {wide} px wide");
        let caption = "document.getElementById('caption').getBoundingClientRect().height";
        assert!(browser.value(caption).unwrap().as_f64() < Some(80.0), "{name}: the caption");
        let contrast = browser.value(CONTRAST).unwrap();
        assert!(contrast.as_f64() >= Some(4.5), "{name}: a contrast of {contrast}");
        browser.picture(&pictures(&stage).join(format!("{name}.png"))).unwrap();
        if name.starts_with("narrow") {
            let cards = "document.getElementById('caption').scrollIntoView()";
            browser.value(cards).unwrap();
            browser.picture(&pictures(&stage).join(format!("{name}-cards.png"))).unwrap();
        }
    }
    browser.look([1200, 900], "light").unwrap();
    assert_eq!(browser.value(STRUCTURE).unwrap(), json!([]));
    // By the keyboard: pause, and go on.
    browser.value("document.getElementById('pause').focus()").unwrap();
    for pressed in ["true", "false"] {
        for kind in ["keyDown", "keyUp"] {
            let key = json!({ "type": kind, "key": " ", "code": "Space", "text": " ",
                              "windowsVirtualKeyCode": 32 });
            browser.call("Input.dispatchKeyEvent", &key).unwrap();
        }
        let state = "document.activeElement.getAttribute('aria-pressed')";
        assert_eq!(browser.value(state).unwrap(), pressed);
    }
    browser.value("document.getElementById('sort').value = 'faults'").unwrap();
    browser.comes_to("document.getElementById('state').innerText === 'Live.'").unwrap();
    assert!(browser.complaints().is_empty(), "{:#?}", browser.complaints());
    // When the daemon is gone it says so, and keeps what it has.
    drop(daemon);
    browser.comes_to("document.getElementById('state').innerText.includes('not answer')").unwrap();
    assert_eq!(browser.value(&format!("!!({})", row(names[0]))).unwrap(), true);
}

/// The least contrast of any text with what is behind it (WCAG 2.1, 1.4.3).
const CONTRAST: &str = "(() => {
    const rgb = text => text.match(/[\\d.]+/g).map(Number);
    const light = text => {
        const part = rgb(text).slice(0, 3).map(value => {
            value /= 255;
            return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
    };
    const ground = element => {
        for (; element; element = element.parentElement) {
            const colour = getComputedStyle(element).backgroundColor;
            if ((rgb(colour)[3] ?? 1) > 0) return colour;
        }
        return 'rgb(255, 255, 255)';
    };
    let least = 21;
    for (const element of document.querySelectorAll('body *')) {
        if (!element.innerText || element.children.length > 3) continue;
        const [one, other] = [light(getComputedStyle(element).color), light(ground(element))];
        least = Math.min(least, (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05));
    }
    return least;
})()";

/// What a reader of the screen would miss: tables without a caption or heads, what can be
/// operated without a name, more than one region that speaks by itself.
const STRUCTURE: &str = "(() => {
    const wrong = [];
    for (const table of document.querySelectorAll('table')) {
        if (!table.caption || !table.caption.textContent) wrong.push('no caption');
        if (!table.tHead.querySelector('th[scope=col]')) wrong.push('no head');
        for (const row of table.tBodies[0].rows)
            if (!row.cells[0].matches('th[scope=row][role=rowheader]')) wrong.push(row.innerText);
    }
    for (const one of document.querySelectorAll('button, select, a'))
        if (!one.innerText.trim() || one.tagName === 'SELECT' && !one.labels.length) wrong.push(one.outerHTML);
    if (document.querySelectorAll('[aria-live], [role=status], [role=alert]').length !== 1) wrong.push('live');
    if (!document.documentElement.lang || document.querySelectorAll('h1').length !== 1) wrong.push('page');
    return wrong;
})()";

#[test]
fn it_is_a_table_without_scripts() {
    let daemon = Daemon::start().unwrap();
    let mut browser = Browser::start().unwrap();
    browser.call("Emulation.setScriptExecutionDisabled", &json!({ "value": true })).unwrap();
    browser.look([1200, 900], "light").unwrap();
    browser
        .call("Page.navigate", &json!({ "url": format!("http://{}/", daemon.address()) }))
        .unwrap();
    let text = || {
        let page = ask(daemon.address(), "GET", "/", &[]).unwrap();
        page.text().unwrap().to_owned()
    };
    browser.comes_to("!!document.getElementById('groups')").unwrap();
    let rows = browser.value("document.querySelectorAll('#groups tr').length").unwrap();
    assert!(rows.as_u64() > Some(0));
    let state = browser.value("document.getElementById('state').innerText").unwrap();
    assert!(state.as_str().unwrap().starts_with("Totals"), "{state}");
    assert!(text().contains("<bdi>zc</bdi>"));
}

#[test]
fn groups_are_told_as_json_and_the_page_is_kept_to_itself() {
    let daemon = Daemon::start().unwrap();
    let page = ask(daemon.address(), "GET", "/", &["Accept-Encoding: gzip"]).unwrap();
    let policy = page.header("content-security-policy").unwrap();
    for part in ["default-src 'none'", "script-src 'sha256-", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let groups = || -> serde_json::Value {
        serde_json::from_str(&daemon.page("/api/v1/groups").unwrap()).unwrap()
    };
    let (before, after) = (groups(), groups());
    assert!(before["seconds"].as_f64() < after["seconds"].as_f64());
    let metrics = daemon.metrics().unwrap();
    assert_eq!(
        after["lost"]["no_slot"],
        metrics.value("zc_lost_total", ("reason", "no_slot")).unwrap()
    );
    let own = after["groups"].as_array().unwrap().iter().find(|row| row["group"] == "zc").unwrap();
    let sum = |family: &str| -> u64 {
        let by = ["route", "direction", "quality", "endpoint"];
        metrics.group(family, "zc", &by).unwrap().into_values().sum()
    };
    let copied = &own["copied_bytes"];
    let copied = copied["measured"].as_u64().unwrap_or(0) + copied["inferred"].as_u64().unwrap();
    // The scrape has been after the page, and zc reads for both.
    assert!(copied > 0 && copied <= sum("zc_copied_bytes_total"), "{own}");
    assert!(own["transferred_bytes"].as_u64() <= Some(sum("zc_transferred_bytes_total")), "{own}");
    assert!(
        own["mode_switches"].is_null()
            != metrics.value("zc_probe_up", ("probe", "syscalls")).is_ok_and(|up| up == 1)
    );
}
