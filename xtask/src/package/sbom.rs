//! The list of what zc is linked of, as CycloneDX, from what cargo knows.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{cmd, ebpf::top};

/// Its name, beside the programs and among the packages.
pub(super) const NAME: &str = "zc.cdx.json";

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Writes it, beside the programs. It holds no time and no serial number: the same source makes
/// the same bytes.
pub(super) fn make(built: &Path) -> Result<()> {
    let linked = linked()?;
    let metadata: Value = serde_json::from_slice(&cargo(&["metadata", "--filter-platform"])?)?;
    let lock: Value = toml::from_str::<toml::Table>(&fs::read_to_string(top().join("Cargo.lock"))?)
        .map(|lock| json!(lock))
        .context("Cargo.lock is no TOML")?;
    let list = list(&linked, &metadata, &lock).context("cargo told too little of a package")?;
    fs::write(built.join(NAME), format!("{list:#}\n"))?;
    Ok(())
}

/// What is linked into `zc`, without what only builds it: names and versions. The tests are named
/// because they are built along, which turns features of what both use on.
fn linked() -> Result<Vec<(String, String)>> {
    let tree = cargo(&[
        "tree",
        "-p",
        "zc-daemon",
        "-p",
        "zc-tests",
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "depth",
        "--no-dedupe",
        "--target",
    ])?;
    let tree = String::from_utf8(tree)?;
    // Depth, name, version, and where it is from.
    let rows = tree.lines().filter_map(|line| {
        let (name, rest) =
            line.trim_start_matches(|c: char| c.is_ascii_digit()).split_once(" v")?;
        let version = rest.split(' ').next()?;
        Some((line.starts_with("0"), name.to_owned(), version.to_owned()))
    });
    let rows = rows.skip_while(|(is_root, name, _)| !is_root || name != "zc-daemon");
    let rows = rows.take_while(|(is_root, name, _)| !is_root || name == "zc-daemon");
    let linked: BTreeSet<_> = rows.map(|(_, name, version)| (name, version)).collect();
    Ok(linked.into_iter().collect())
}

fn cargo(arguments: &[&str]) -> Result<Vec<u8>> {
    let mut cargo = Command::new("cargo");
    cargo.args(arguments).arg(TARGET).arg("--locked").current_dir(top());
    if arguments[0] == "metadata" {
        cargo.args(["--format-version", "1"]);
    }
    cmd::output(&mut cargo)
}

/// The document. What cargo leaves out of a package is left out of it too.
fn list(linked: &[(String, String)], metadata: &Value, lock: &Value) -> Option<Value> {
    let sums: BTreeMap<_, _> = lock["package"]
        .as_array()?
        .iter()
        .filter_map(|row| Some((key(row)?, row["checksum"].as_str()?)))
        .collect();
    // By cargo's ids, of what is linked.
    let packages: BTreeMap<_, _> = metadata["packages"]
        .as_array()?
        .iter()
        .filter(|row| key(row).is_some_and(|key| linked.contains(&key)))
        .filter_map(|row| Some((row["id"].as_str()?, row)))
        .collect();
    let of = |row: &Value| component(row, key(row).and_then(|key| sums.get(&key).copied()));
    let (subject, others): (Vec<&Value>, Vec<&Value>) =
        packages.values().copied().partition(|row| row["name"] == "zc-daemon");
    let mut subject = of(subject.first()?);
    subject["type"] = json!("application");
    let components: Vec<_> = others.into_iter().map(of).collect();
    let edges = metadata["resolve"]["nodes"].as_array()?.iter().filter_map(|node| {
        let on = node["dependencies"].as_array()?.iter();
        let on: Vec<_> =
            on.filter_map(|id| packages.get(id.as_str()?)).map(|row| purl(row)).collect();
        Some(json!({ "ref": purl(packages.get(node["id"].as_str()?)?), "dependsOn": on }))
    });
    Some(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": subject },
        "components": components,
        "dependencies": edges.collect::<Vec<_>>(),
    }))
}

fn component(row: &Value, sum: Option<&str>) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": purl(row),
        "purl": purl(row),
        "name": row["name"],
        "version": row["version"],
    });
    if let Some(licence) = row["license"].as_str() {
        // Some write the older form of OR.
        component["licenses"] = json!([{ "expression": licence.replace('/', " OR ") }]);
    }
    if let Some(sum) = sum {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
    }
    component
}

/// What the whole world calls a package of cargo's.
fn purl(row: &Value) -> String {
    let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
    format!("pkg:cargo/{}@{}", text("name"), text("version"))
}

fn key(row: &Value) -> Option<(String, String)> {
    Some((row["name"].as_str()?.to_owned(), row["version"].as_str()?.to_owned()))
}
