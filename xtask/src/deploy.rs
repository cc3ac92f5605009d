//! What is given to operators, checked by what they will use it with: dashboards by Grafana's
//! own types.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::Value;

use crate::{apt, built, cmd, ebpf::top, run::as_root, vm::kernels::cache_dir};

/// Flags of `cargo xtask deploy`.
#[derive(Args)]
pub(crate) struct DeployFlags {
    /// Also have a real Prometheus scrape a real zc, and leave pages of what the panels then
    /// show in this folder, with pictures of them by Chromium.
    #[arg(long, value_name = "FOLDER")]
    preview: Option<PathBuf>,
}

/// `cargo xtask deploy`.
pub(crate) fn deploy(flags: &DeployFlags) -> Result<()> {
    schema()?;
    flags.preview.as_deref().map_or(Ok(()), preview)
}

/// What of npm's knows how a dashboard is written; newer TypeScript leaves out what is used.
const PACKAGES: &str = r#"{ "private": true, "dependencies": {
    "@grafana/schema": "13.2.3", "typescript": "5.9.3" } }
"#;

const TSCONFIG: &str = r#"{ "compilerOptions": { "strict": true, "noEmit": true, "skipLibCheck": true,
    "module": "esnext", "moduleResolution": "bundler", "target": "es2022" },
    "files": ["check.ts"] }
"#;

/// An enum of theirs is any of its values to JSON. What follows must be refused, or the types
/// say nothing.
const HEAD: &str = "\
import type { Dashboard, Panel } from '@grafana/schema';
type Plain<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T
  : T extends (infer U)[] ? Plain<U>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
// @ts-expect-error
({ title: 5, schemaVersion: 41 }) satisfies Plain<Dashboard>;
// @ts-expect-error
({ titel: 'x', schemaVersion: 41 }) satisfies Plain<Dashboard>;
";

/// Types of panels: what is drawn, and whether it has fields of its own.
const PANELS: &[(&str, bool)] = &[("stat", false), ("table", true), ("timeseries", true)];

/// Holds the dashboards to Grafana's own types, by TypeScript.
pub(crate) fn schema() -> Result<()> {
    eprintln!("xtask: checking dashboards by Grafana's types");
    if Command::new("npm").arg("--version").output().is_err() {
        apt::ensure("for Grafana's types", &["nodejs", "npm"])?;
    }
    let folder = cache_dir()?.join("grafana-schema");
    install(&folder)?;
    fs::write(folder.join("tsconfig.json"), TSCONFIG)?;
    fs::write(folder.join("check.ts"), program()?)?;
    let tsc = folder.join("node_modules/.bin/tsc");
    cmd::run(Command::new(tsc).args(["--project", "."]).current_dir(&folder))
        .context("a dashboard is not what Grafana takes; see tests/src/deploy/grafana/json.rs")
}

/// Installs the packages in a folder, unless they are there.
fn install(folder: &Path) -> Result<()> {
    let (manifest, done) = (folder.join("package.json"), folder.join("done"));
    let there = fs::read_to_string(&done).unwrap_or_default();
    if there == PACKAGES {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    fs::write(manifest, PACKAGES)?;
    eprintln!("xtask: fetching @grafana/schema and typescript by npm");
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]);
    cmd::output(npm.current_dir(folder)).context("npm cannot fetch Grafana's types")?;
    fs::write(done, PACKAGES).context("cannot write to the cache")
}

/// A program that is well-typed if the dashboards are what they should be.
fn program() -> Result<String> {
    let mut text = HEAD.to_owned();
    // Writing to a String cannot fail, here and below.
    for (kind, fields) in PANELS {
        let names = if *fields { format!(", FieldConfig as {kind}Fields") } else { String::new() };
        let _ = writeln!(
            text,
            "import type {{ Options as {kind}Options{names} }} from \
             './node_modules/@grafana/schema/dist/types/raw/composable/{kind}/panelcfg/x/types.gen';"
        );
    }
    let mut files = 0;
    for entry in fs::read_dir(top().join("deploy/grafana/dashboards"))? {
        let path = entry?.path();
        let page: Value = serde_json::from_str(&fs::read_to_string(&path)?)
            .with_context(|| format!("{} is no JSON", path.display()))?;
        let _ = writeln!(text, "({page}) satisfies Plain<Dashboard>;");
        for panel in page["panels"].as_array().into_iter().flatten() {
            text += &typed(panel)?;
        }
        files += 1;
    }
    ensure!(files > 0, "deploy/grafana/dashboards has no dashboard");
    Ok(text)
}

/// A panel, its options and its fields, each to be of the types of its kind.
fn typed(panel: &Value) -> Result<String> {
    let kind = panel["type"].as_str().unwrap_or_default();
    if kind == "row" {
        return Ok(String::new());
    }
    let known = PANELS.iter().find(|(name, _)| *name == kind);
    let (_, fields) = known.with_context(|| format!("no types are known of a panel {kind:?}"))?;
    let (options, custom) = (&panel["options"], &panel["fieldConfig"]["defaults"]["custom"]);
    let mut text = format!("({options}) satisfies Plain<{kind}Options>;\n");
    let of = if *fields {
        let _ = writeln!(text, "({custom}) satisfies Plain<{kind}Fields>;");
        format!("{kind}Options, {kind}Fields")
    } else {
        format!("{kind}Options")
    };
    let _ = writeln!(text, "({panel}) satisfies Plain<Panel<{of}>>;");
    Ok(text)
}

/// Pages of what panels show under traffic, and pictures of them.
fn preview(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    apt::ensure("for pictures of the panels", &["chromium", "fonts-dejavu-core"])?;
    let built = built::Built::new()?;
    let (_, test) = built.tests.iter().find(|(name, _)| name == "prometheus").context("no test")?;
    let mut command = as_root(test)?;
    command.args(["a_real_prometheus_answers", "--nocapture"]);
    cmd::run(command.env("ZC_BIN", &built.folder).env("ZC_PREVIEW", &folder))?;
    for entry in fs::read_dir(&folder)? {
        let page = entry?.path();
        if page.extension().is_none_or(|kind| kind != "html") {
            continue;
        }
        let picture = page.with_extension("png");
        let mut chromium = Command::new("chromium");
        chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1500,3400"]);
        chromium.arg(format!("--screenshot={}", picture.display())).arg(&page);
        cmd::output(&mut chromium)?;
        eprintln!("xtask: {} shows the panels", picture.display());
    }
    Ok(())
}
