//! The eBPF object: how it is built, and how the committed one is held to its
//! source.
//!
//! Users build zc with stable Rust alone: `zc-daemon/object/zc.bpf.o` is
//! committed, beside a manifest of what it was built from and with. It is built
//! by Debian's `rustc-web`, the one stable compiler that ships a `core` for
//! `bpfel-unknown-none`, and linked by `bpf-linker`. Paths are remapped and debug
//! sections stripped, so that the same source gives the same bytes anywhere.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

use crate::{apt, cmd, vm::kernels::cache_dir};

const PACKAGES: &[&str] =
    &["rustc-web", "cargo-web", "rust-web-clippy", "libstd-rust-web-dev-bpf", "llvm"];
const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";
const TARGET: &str = "bpfel-unknown-none";
const LINKER_VERSION: &str = "0.13.0";
const OBJECT: &str = "zc-daemon/object/zc.bpf.o";
const MANIFEST: &str = "zc-daemon/object/zc.bpf.toml";
/// Everything the object is made of.
const SOURCES: &[&str] = &[
    "zc-ebpf/Cargo.toml",
    "zc-ebpf/Cargo.lock",
    "zc-ebpf/src",
    "zc-common/Cargo.toml",
    "zc-common/src",
];

/// What to do where the toolchain is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// Install it.
    Install,
    /// Do without what needs it, out loud.
    IfPresent,
}

/// Builds the object and writes it and its manifest into the tree.
pub(crate) fn build() -> Result<()> {
    install()?;
    let object = compile()?;
    let manifest = Manifest::of(&object)?;
    fs::create_dir_all(top().join(OBJECT).parent().unwrap_or(Path::new(".")))?;
    fs::write(top().join(OBJECT), &object).with_context(|| format!("cannot write {OBJECT}"))?;
    fs::write(top().join(MANIFEST), manifest.text())
        .with_context(|| format!("cannot write {MANIFEST}"))?;
    eprintln!("xtask: built {OBJECT}: {} bytes, sha256 {}", object.len(), manifest.object);
    Ok(())
}

/// Fails if the committed object is not the one its source builds to: always by
/// the hashes of the manifest, and byte for byte where the toolchain that the
/// manifest names is here.
pub(crate) fn verify(toolchain: Toolchain) -> Result<()> {
    const REBUILD: &str = "run `cargo xtask build-ebpf` and commit the result";
    let recorded = Manifest::read()?;
    let object = fs::read(top().join(OBJECT)).with_context(|| format!("cannot read {OBJECT}"))?;
    ensure!(
        recorded.source == source_hash()?,
        "the eBPF sources changed since {OBJECT} was built: {REBUILD}"
    );
    ensure!(
        recorded.object == hex(&Sha256::digest(&object)),
        "{OBJECT} is not the file its manifest names: {REBUILD}"
    );
    if toolchain == Toolchain::Install {
        install()?;
    } else if !is_installed() {
        eprintln!(
            "xtask: object and source agree by hash; no eBPF toolchain here to rebuild it with"
        );
        return Ok(());
    }
    let here = compiler()?;
    if here != recorded.rustc {
        eprintln!(
            "xtask: object and source agree by hash; not rebuilt, as this compiler ({here}) is not the recorded one ({})",
            recorded.rustc
        );
        return Ok(());
    }
    ensure!(
        compile()? == object,
        "{OBJECT} is not what its source builds to, byte for byte: {REBUILD}"
    );
    eprintln!("xtask: {OBJECT} rebuilt from source: identical");
    Ok(())
}

/// Runs clippy on the eBPF crate, for its own target.
pub(crate) fn clippy() -> Result<()> {
    if !is_installed() {
        eprintln!("xtask: no eBPF toolchain here: clippy did not look at zc-ebpf");
        return Ok(());
    }
    let mut command = cargo()?;
    command.args(["clippy", "--release", "--locked", "--target", TARGET, "--target-dir"]);
    command.arg(target_dir()?).args(["--", "-D", "warnings"]);
    cmd::run(&mut command)
}

/// What the committed object was made of, and by what.
struct Manifest {
    source: String,
    object: String,
    rustc: String,
}

impl Manifest {
    fn of(object: &[u8]) -> Result<Self> {
        let object = hex(&Sha256::digest(object));
        Ok(Self { source: source_hash()?, object, rustc: compiler()? })
    }

    fn read() -> Result<Self> {
        let text = fs::read_to_string(top().join(MANIFEST))
            .with_context(|| format!("cannot read {MANIFEST}"))?;
        let table: toml::Table = text.parse().with_context(|| format!("{MANIFEST} is no TOML"))?;
        let field = |name: &str| {
            let value = table.get(name).and_then(toml::Value::as_str).map(str::to_owned);
            value.with_context(|| format!("{MANIFEST} has no {name}"))
        };
        Ok(Self {
            source: field("source_sha256")?,
            object: field("object_sha256")?,
            rustc: field("rustc")?,
        })
    }

    fn text(&self) -> String {
        format!(
            "# Written by `cargo xtask build-ebpf`; the checks hold the object to it.\n\
             source_sha256 = \"{}\"\nobject_sha256 = \"{}\"\nrustc = \"{}\"\n\
             linker = \"bpf-linker {LINKER_VERSION}\"\n",
            self.source, self.object, self.rustc
        )
    }
}

/// The top of the workspace.
pub(crate) fn top() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn source_hash() -> Result<String> {
    let mut files = Vec::new();
    for source in SOURCES {
        collect(&top().join(source), &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let name = file.strip_prefix(top())?.to_string_lossy().into_owned();
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        hash.update(format!("{name}\0{}\0", bytes.len()));
        hash.update(bytes);
    }
    Ok(hex(&hash.finalize()))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Builds the object of programs that do nothing, for benchmarks; its path.
pub(crate) fn empty() -> Result<PathBuf> {
    install()?;
    make("empty")
}

/// Builds one object of the crate, and strips it.
fn make(name: &str) -> Result<PathBuf> {
    let target = target_dir()?;
    let mut build = cargo()?;
    build.args(["build", "--release", "--locked", "--target", TARGET, "--bin", name]);
    cmd::run(build.arg("--target-dir").arg(&target)).context("the eBPF programs do not build")?;
    let built = target.join(TARGET).join("release").join(name);
    let stripped = target.join(format!("{name}.bpf.o"));
    cmd::run(Command::new("llvm-strip").args(["-g", "-o"]).arg(&stripped).arg(&built))?;
    Ok(stripped)
}

/// Builds zc's object; the stripped bytes.
fn compile() -> Result<Vec<u8>> {
    let stripped = make("zc")?;
    let object = fs::read(&stripped);
    let object = object.with_context(|| format!("cannot read {}", stripped.display()))?;
    same_everywhere(&object)?;
    Ok(object)
}

/// Fails at a mangled name: it holds a hash of where the source lies.
fn same_everywhere(object: &[u8]) -> Result<()> {
    let Some(at) = object.windows(3).position(|bytes| bytes == b"_ZN") else { return Ok(()) };
    let name = object[at..].split(|byte| *byte == 0).next().unwrap_or_default();
    bail!(
        "the object names {}, which is not the same everywhere: inline it or give it an export_name",
        String::from_utf8_lossy(name)
    )
}

/// Where Debian's cargo builds: never in the clone.
fn target_dir() -> Result<PathBuf> {
    Ok(cache_dir()?.join("bpf-target"))
}

/// Debian's cargo in `zc-ebpf`, with everything that makes the build repeatable.
fn cargo() -> Result<Command> {
    let linker = linker_dir()?;
    let path = env::var("PATH").unwrap_or_default();
    let mut command = Command::new(CARGO);
    for (name, _) in env::vars_os() {
        // What cargo sets for us (rustup's toolchain, this package's variables)
        // must not reach the other cargo.
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "RUSTUP_TOOLCHAIN" {
            command.env_remove(name);
        }
    }
    command
        .current_dir(top().join("zc-ebpf"))
        // Debian's clippy before rustup's, which cannot read Debian's core.
        .env("PATH", format!("{}:/usr/bin:{path}", linker.join("bin").display()))
        .env("RUSTC", RUSTC)
        // aya-ebpf and our own crate need one unstable feature (asm_experimental_arch).
        .env("RUSTC_BOOTSTRAP", "aya_ebpf,zc")
        .env("CARGO_ENCODED_RUSTFLAGS", flags()?.join("\u{1f}"));
    Ok(command)
}

fn flags() -> Result<Vec<String>> {
    let top = fs::canonicalize(top())?;
    let mut flags = vec![
        "--cfg=bpf_target_arch=\"x86_64\"".to_owned(),
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
        format!("--remap-path-prefix={}=/src", top.display()),
    ];
    // The folder of a registry is named after its address, so each is remapped.
    let registry = cargo_home()?.join("registry/src");
    for entry in fs::read_dir(&registry).into_iter().flatten() {
        flags.push(format!("--remap-path-prefix={}=/registry", entry?.path().display()));
    }
    Ok(flags)
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = env::var_os("CARGO_HOME") {
        return Ok(home.into());
    }
    let home = env::var_os("HOME").context("HOME is not set, and neither is CARGO_HOME")?;
    Ok(Path::new(&home).join(".cargo"))
}

/// Where our bpf-linker is installed.
fn linker_dir() -> Result<PathBuf> {
    Ok(cache_dir()?.join(format!("bpf-linker-{LINKER_VERSION}")))
}

fn is_installed() -> bool {
    let linker = linker_dir().is_ok_and(|dir| dir.join("bin/bpf-linker").exists());
    linker && Path::new(RUSTC).exists() && compiler().is_ok()
}

/// The compiler as one line: release, commit date and LLVM.
fn compiler() -> Result<String> {
    let said = cmd::output(Command::new(RUSTC).arg("-vV"))?;
    let said = String::from_utf8_lossy(&said);
    let field = |name: &str| {
        let value = said.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        value.with_context(|| format!("{RUSTC} -vV says no {name}"))
    };
    Ok(format!(
        "{} {} LLVM {}",
        field("release:")?,
        field("commit-hash:")?,
        field("LLVM version:")?
    ))
}

/// Installs the compiler by apt and the linker by cargo.
fn install() -> Result<()> {
    apt::ensure("to build the eBPF object", PACKAGES)?;
    let dir = linker_dir()?;
    if dir.join("bin/bpf-linker").exists() {
        return Ok(());
    }
    eprintln!("xtask: installing bpf-linker {LINKER_VERSION} by cargo (some minutes)");
    let prefix = cache_dir()?.join("llvm");
    link_llvm(&prefix)?;
    cmd::run(
        Command::new("cargo")
            .env("LLVM_PREFIX", &prefix)
            .args(["install", "bpf-linker", "--locked", "--no-default-features"])
            .args(["--features", "llvm-22", "--version", LINKER_VERSION, "--root"])
            .arg(&dir),
    )
}

/// bpf-linker looks for `lib/libLLVM.so`; rustc-web brings it under a version.
fn link_llvm(prefix: &Path) -> Result<()> {
    const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/libLLVM.so.22.1";
    if !Path::new(LIBRARY).exists() {
        bail!("{LIBRARY} is not there; rustc-web of this Debian brings another LLVM than 22");
    }
    let link = prefix.join("lib/libLLVM.so");
    fs::create_dir_all(prefix.join("lib"))?;
    if !link.exists() {
        std::os::unix::fs::symlink(LIBRARY, &link)
            .with_context(|| format!("cannot link {}", link.display()))?;
    }
    Ok(())
}
