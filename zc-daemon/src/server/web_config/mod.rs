//! The file of `--web.config.file`: TLS, users and headers, read anew when it, or a file that
//! it names, has changed.

mod clients;
mod file;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod tls;
mod users;

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result, ensure};
use axum::http::{HeaderMap, HeaderValue, header};
use rustls::ServerConfig;

use file::{File, Http, wrong};
use users::Users;

/// What the file asks for at present.
#[derive(Default)]
pub(super) struct Policy {
    /// How to speak TLS, if it is to be spoken.
    pub(super) tls: Option<Arc<ServerConfig>>,
    headers: HeaderMap,
    users: Option<Users>,
}

impl Policy {
    /// Whether a request is let in.
    pub(super) async fn lets_in(&self, headers: &HeaderMap) -> bool {
        match &self.users {
            Some(users) => users.let_in(headers).await,
            None => true,
        }
    }

    /// Adds the headers that it wants on every answer. A page's own policy of content stands
    /// beside the file's, and both hold.
    pub(super) fn add_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            if name == header::CONTENT_SECURITY_POLICY {
                headers.append(name, value.clone());
            } else {
                headers.insert(name, value.clone());
            }
        }
    }
}

/// The file, and what it asked for when it was last good.
pub struct WebConfig {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    /// Every file that counts, as it was when it was last read.
    seen: Vec<(PathBuf, Stamp)>,
    policy: Arc<Policy>,
}

/// What changes when a file does: device, inode, size, and the times of the last change of its
/// bytes and of itself; none if it is not there.
type Stamp = Option<[i64; 7]>;

fn stamp(path: &Path) -> Stamp {
    let file = fs::metadata(path).ok()?;
    let whole = |number: u64| number.cast_signed();
    let (dev, ino, size) = (whole(file.dev()), whole(file.ino()), whole(file.size()));
    Some([dev, ino, size, file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()])
}

impl WebConfig {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// If it, or a file that it names, cannot be read or used.
    pub fn new(path: &Path) -> Result<Self> {
        let (seen, policy) = load(path);
        let state = State { seen, policy: Arc::new(policy?) };
        Ok(Self { path: path.to_owned(), state: Mutex::new(state) })
    }

    /// Whether it asks for TLS at present.
    #[must_use]
    pub fn speaks_tls(&self) -> bool {
        self.current().tls.is_some()
    }

    /// What it asks for. Where a file has changed it is read; if it will not do, that is said
    /// once, and what was asked for before holds.
    pub(super) fn current(&self) -> Arc<Policy> {
        // What it holds is whole after each step.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.seen.iter().any(|(path, seen)| stamp(path) != *seen) {
            let (seen, policy) = load(&self.path);
            state.seen = seen;
            match policy {
                Ok(policy) => {
                    tracing::info!("{} is read anew", self.path.display());
                    state.policy = Arc::new(policy);
                }
                Err(error) => tracing::error!(
                    "what was configured before still holds, as the web configuration has changed \
                     and will not do: {error:#}"
                ),
            }
        }
        Arc::clone(&state.policy)
    }
}

/// Reads all; which files that takes, as they were before they were read.
fn load(path: &Path) -> (Vec<(PathBuf, Stamp)>, Result<Policy>) {
    let mut seen = vec![(path.to_owned(), stamp(path))];
    let file = match file::read(path) {
        Ok(file) => file,
        Err(error) => return (seen, Err(error)),
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    if let Some(tls) = &file.tls_server_config {
        let named = tls::files(&tls.value, folder);
        seen.extend(named.into_iter().map(|path| (path.clone(), stamp(&path))));
    }
    let policy = Policy::of(&file, folder).with_context(|| path.display().to_string());
    (seen, policy)
}

impl Policy {
    fn of(file: &File, folder: &Path) -> Result<Self> {
        let tls = file.tls_server_config.as_ref().map(|tls| tls::server(tls, folder));
        let users = file.basic_auth_users.as_ref().filter(|users| !users.is_empty());
        let headers = file.http_server_config.as_ref().map(headers).transpose()?;
        Ok(Self {
            tls: tls.transpose()?,
            headers: headers.unwrap_or_default(),
            users: users.map(Users::of).transpose()?,
        })
    }
}

/// The headers that may be set, as in the exporter-toolkit.
const HEADERS: &[&str] = &[
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
    "x-xss-protection",
    "content-security-policy",
];

fn headers(http: &Http) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in http.headers.iter().flatten() {
        let known = HEADERS.iter().find(|known| name.eq_ignore_ascii_case(known));
        let refused = || format!("the header {name:?} is none of {}", HEADERS.join(", "));
        ensure!(known.is_some(), wrong(value, refused()));
        let text = HeaderValue::from_str(&value.value)
            .map_err(|_| wrong(value, format!("the value of {name} holds what no header may")))?;
        if let Some(known) = known {
            headers.insert(*known, text);
        }
    }
    Ok(headers)
}
