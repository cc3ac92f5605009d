//! What to change in well-known programs, so that they copy less: one row a program and
//! a reason.

use super::reason::Reason;

/// A program as it is told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// By how its processes are called: one of these, or one that begins so and goes on
    /// with a version or the like.
    Called(&'static [&'static str]),
    /// Written in Go, by its executable.
    Go,
}

/// One row of [`HINTS`].
struct Hint {
    program: Program,
    /// Codes of reasons that call for it.
    codes: &'static [&'static str],
    text: &'static str,
}

const RELAYED: &[&str] = &["relayed"];
const SENT: &[&str] = &["relayed", "produced"];
const CHANGED: &[&str] = &["transformed"];
const PROMISED: &[&str] = &["receiver", "not_taken", "small_sends"];

const NGINX: Program = Program::Called(&["nginx"]);
const JAVA: Program = Program::Called(&["java"]);
const PYTHON: Program = Program::Called(&["python", "pypy", "gunicorn", "uwsgi"]);
const NODE: Program = Program::Called(&["node", "MainThread"]);
const HAPROXY: Program = Program::Called(&["haproxy"]);
const CP: Program = Program::Called(&["cp", "install", "rsync"]);

/// THE table of hints.
static HINTS: &[Hint] = &[
    Hint {
        program: NGINX,
        codes: RELAYED,
        text: "nginx: set `sendfile on;` (with `tcp_nopush on;`), and no `aio threads` with \
               `directio` where the page cache serves; what it proxies between sockets it copies \
               whatever is set",
    },
    Hint {
        program: NGINX,
        codes: CHANGED,
        text: "nginx: a response filter (`gzip on`, `sub_filter`, `ssl` without kTLS) turns \
               `sendfile on` into read and write; serve compressed files with `gzip_static on`, \
               and TLS by the kernel with `ssl_conf_command Options KTLS` (OpenSSL 3)",
    },
    Hint {
        program: JAVA,
        codes: SENT,
        text: "Java: FileChannel.transferTo (Netty: DefaultFileRegion) uses sendfile; \
               InputStream.transferTo, and TLS by the JDK's SSLEngine, copy",
    },
    Hint {
        program: Program::Go,
        codes: RELAYED,
        text: "Go: io.Copy uses sendfile or splice only from an *os.File or *net.TCPConn to a \
               *net.TCPConn themselves; a bufio.Writer, an io.TeeReader or a custom \
               http.ResponseWriter around either has it copy (keep ReadFrom)",
    },
    Hint {
        program: Program::Go,
        codes: CHANGED,
        text: "Go: crypto/tls and compress/gzip work in user memory, so that io.Copy to them \
               copies; end TLS in front, by a proxy with kTLS",
    },
    Hint {
        program: PYTHON,
        codes: RELAYED,
        text: "Python: socket.sendfile, os.sendfile and asyncio's loop.sendfile use sendfile; \
               shutil.copyfileobj (http.server) reads and sends, shutil.copyfile does not",
    },
    Hint {
        program: NODE,
        codes: SENT,
        text: "Node.js: streams (fs.createReadStream().pipe()) always go through user memory, and \
               it has no sendfile for sockets; serve files by a proxy in front (nginx: \
               X-Accel-Redirect)",
    },
    Hint {
        program: HAPROXY,
        codes: RELAYED,
        text: "haproxy: `option splice-auto` (or splice-request, splice-response) moves bytes \
               through pipes by reference; not with TLS, compression or filters",
    },
    Hint {
        program: CP,
        codes: &["relayed", "file_sink"],
        text: "cp: --reflink=always shares the blocks on xfs and btrfs; on others a copy of a file \
               is a copy",
    },
    Hint {
        program: Program::Called(&[""]),
        codes: PROMISED,
        text: "MSG_ZEROCOPY pays for large sends to other machines alone: ask for it above some \
               10 KiB a send, and stop when completions say COPIED",
    },
];

/// What to say to these programs, for these reasons; each once.
#[must_use]
pub fn of<'a>(
    names: impl Iterator<Item = &'a str> + Clone,
    go: bool,
    reasons: &[Reason],
) -> Vec<&'static str> {
    let fits = |program| match program {
        Program::Go => go,
        Program::Called(known) => {
            names.clone().any(|name| known.iter().any(|known| is_called(name, known)))
        }
    };
    let called_for = |codes: &[&str]| reasons.iter().any(|reason| codes.contains(&reason.code));
    HINTS
        .iter()
        .filter(|hint| called_for(hint.codes) && fits(hint.program))
        .map(|hint| hint.text)
        .collect()
}

/// Whether a process' name is that of a program, with a version perhaps (`python3.11`).
fn is_called(name: &str, program: &str) -> bool {
    let rest = name.strip_prefix(program);
    program.is_empty() || rest.is_some_and(|rest| !rest.starts_with(char::is_alphabetic))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(name: &str, go: bool, code: &'static str) -> Vec<&'static str> {
        let reason = Reason { code, bytes: 1, text: "", remedy: "" };
        of([name].into_iter(), go, &[reason])
    }

    #[test]
    fn a_program_is_told_what_it_can_do() {
        assert!(hints("nginx", false, "transformed")[0].contains("gzip_static"));
        assert!(hints("python3.11", false, "relayed")[0].contains("socket.sendfile"));
        assert!(hints("server", true, "relayed")[0].starts_with("Go:"));
        assert!(hints("anything", false, "receiver")[0].contains("COPIED"));
        assert!(hints("nginx", false, "consumed").is_empty());
        assert!(hints("javascript", false, "relayed").is_empty());
        assert!(hints("cat", false, "relayed").is_empty());
    }

    /// Every code that calls for a hint is one that there is.
    #[test]
    fn codes_are_those_of_reasons() {
        for code in HINTS.iter().flat_map(|hint| hint.codes) {
            assert!(super::super::reason::is_code(code), "{code}");
        }
    }
}
