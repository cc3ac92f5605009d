//! THE table of real programs.

/// A program, how it is run, and what it must copy.
#[derive(Debug)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// The command as a shell takes it; `PORT` stands for a free port.
    pub command: &'static str,
    /// What nginx is told beside what all cases tell it, be it the program or the peer;
    /// `UPSTREAM` stands for a free port.
    pub nginx: &'static str,
    /// Who is at the other end.
    pub peer: Peer,
    /// What the file is made of.
    pub content: Content,
    /// How large it is, in MiB: what a program reads to start must be little beside it.
    pub mib: u64,
    /// What it reads to start, if it is much.
    pub start: u64,
    /// What is copied.
    pub copied: &'static [Copied],
    /// Bytes copied by bytes moved.
    pub per_byte: f64,
    /// What `zc verify` must say of it by [`POLICY`], where copies are measured.
    pub verdict: &'static str,
    /// The code of the weightiest reason that it must give, if it gives any; one that only
    /// probes on functions see, where they are up.
    pub reason: Option<&'static str>,
    /// What the hint says that it must give with the reason, if it gives any.
    pub hint: Option<&'static str>,
    /// What happens.
    pub because: &'static str,
    /// What to do about it.
    pub fix: &'static str,
}

/// What every program is held to: it allows what they read to start.
pub const POLICY: &[&str] = &["--max-copies-per-byte", "0.05"];

/// Who is at the other end of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Nobody: it leaves a copy of the file.
    Nobody,
    /// curl, which fetches the file from it, told by these flags.
    Client(&'static [&'static str]),
    /// nginx, which serves the file, and takes copies of it.
    Server,
    /// On one side curl, which fetches the file; on the other nginx on the port `UPSTREAM`,
    /// which serves it.
    Between,
    /// The test, which reads until the end of the connection.
    Reader,
}

/// What a file is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Bytes that nothing can make fewer of.
    Noise,
    /// Text that compresses well.
    Text,
}

/// Bytes that are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The route.
    pub route: &'static str,
    /// The direction.
    pub direction: &'static str,
    /// How many.
    pub amount: Amount,
}

/// How many bytes are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Each of the file, so often.
    File(u64),
    /// Each that goes over the wire.
    Wire,
}

const fn copied(route: &'static str, direction: &'static str, amount: Amount) -> Copied {
    Copied { route, direction, amount }
}

const ONCE: Amount = Amount::File(1);
const TWICE: Amount = Amount::File(2);
const READ: Copied = copied("read", "to_user", ONCE);
const WRITTEN: Copied = copied("write", "from_user", ONCE);
const SENT: Copied = copied("send", "from_user", ONCE);
const RECEIVED: Copied = copied("recv", "to_user", ONCE);

/// The row that others differ from.
const PLAIN: Case = Case {
    name: "",
    command: "",
    nginx: "sendfile on;",
    peer: Peer::Nobody,
    content: Content::Noise,
    mib: 64,
    start: 0,
    copied: &[],
    per_byte: 0.0,
    verdict: "pass",
    reason: None,
    hint: None,
    because: "",
    fix: "none needed",
};

/// What all that copies each byte as often as it moves it has in common.
const COPIES: Case = Case { per_byte: 1.0, verdict: "broken", reason: Some("relayed"), ..PLAIN };

const NGINX: &str = "nginx -p . -c nginx.conf";
const PYTHON_SENDFILE: &str = "python3 -I -S -c 'import socket; \
    socket.create_connection((\"127.0.0.1\", PORT)).sendfile(open(\"file\", \"rb\"))'";

/// Every case.
pub static CASES: &[Case] = &[
    Case {
        name: "nginx-sendfile",
        command: NGINX,
        peer: Peer::Client(&[]),
        because: "the socket takes pages of the page cache by reference; the receiver's copy is \
                  its own",
        ..PLAIN
    },
    Case {
        name: "nginx-no-sendfile",
        command: NGINX,
        nginx: "sendfile off;",
        peer: Peer::Client(&[]),
        copied: &[READ, WRITTEN],
        because: "each buffer is read (`pread`) and written to the socket (`writev`)",
        hint: Some("`sendfile on;`"),
        fix: "`sendfile on;`",
        ..COPIES
    },
    Case {
        name: "nginx-gzip",
        command: NGINX,
        nginx: "sendfile on; gzip on; gzip_types *; gzip_comp_level 1;",
        peer: Peer::Client(&["--compressed"]),
        content: Content::Text,
        copied: &[READ, copied("write", "from_user", Amount::Wire)],
        reason: Some("transformed"),
        because: "compression needs the bytes in user space, so nginx falls back to read and \
                  write without a word, whatever `sendfile` says",
        hint: Some("`gzip_static on`"),
        fix: "`gzip_static on;` with files compressed beforehand",
        ..COPIES
    },
    Case {
        name: "nginx-gzip-static",
        command: NGINX,
        nginx: "sendfile on; gzip_static on;",
        peer: Peer::Client(&["--compressed"]),
        content: Content::Text,
        because: "`file.gz` lies beside the file, and goes by sendfile",
        ..PLAIN
    },
    Case {
        name: "nginx-proxy",
        command: NGINX,
        nginx: "location / { proxy_pass http://127.0.0.1:UPSTREAM; proxy_max_temp_file_size 0; }",
        peer: Peer::Between,
        copied: &[READ, WRITTEN],
        because: "nine buffers of 4 KiB at most are filled (`readv`) from one socket and written \
                  (`writev`) to the other; were it not told otherwise, it would keep in a file what \
                  the client does not take at once",
        hint: Some("between sockets"),
        fix: "none by nginx; `option splice-auto` of haproxy",
        ..COPIES
    },
    Case {
        name: "python-http-server",
        command: "python3 -I -S -m http.server --bind 127.0.0.1 PORT",
        peer: Peer::Client(&[]),
        mib: 128,
        // Its modules.
        start: 2 << 20,
        copied: &[READ, SENT],
        because: "`shutil.copyfileobj` reads and sends 64 KiB at a time",
        hint: Some("socket.sendfile"),
        fix: "`socket.sendfile`, or a server that uses sendfile",
        ..COPIES
    },
    Case {
        name: "python-sendfile",
        command: PYTHON_SENDFILE,
        peer: Peer::Reader,
        because: "`socket.sendfile` is `os.sendfile` where the file is a regular one",
        ..PLAIN
    },
    Case {
        name: "cp",
        command: "cp file copy",
        copied: &[copied("copy_file_range", "in_kernel", ONCE)],
        reason: Some("file_sink"),
        because: "the reflink (`FICLONE`) is refused by ext4; `copy_file_range` spares the way \
                  through user memory, and copies from page cache to page cache",
        hint: Some("--reflink=always"),
        fix: "a file system that reflinks: xfs, btrfs",
        ..COPIES
    },
    Case {
        name: "reflink-cp",
        command: "cp file copy",
        because: "on xfs and btrfs `FICLONE` has both files share their blocks",
        ..PLAIN
    },
    Case {
        name: "cp-read-write",
        command: "cp --reflink=never --sparse=never file copy",
        copied: &[READ, WRITTEN],
        because: "as `copy_file_range` might reflink, `--reflink=never` does without it: 128 KiB \
                  are read and written at a time (`--sparse=never` alone changes nothing)",
        hint: Some("--reflink=always"),
        fix: "leave `--reflink=never` out",
        ..COPIES
    },
    Case {
        name: "cat-pipe-cat",
        command: "cat file | cat >copy",
        copied: &[copied("read", "to_user", TWICE), copied("write", "from_user", TWICE)],
        because: "each byte is read from the file, written to the pipe, read from the pipe and \
                  written to the file",
        fix: "leave the pipe out; `splice` in a program of one's own",
        ..COPIES
    },
    Case {
        name: "dd",
        command: "dd if=file of=copy bs=1M status=none",
        copied: &[READ, WRITTEN],
        because: "each block is read and written",
        fix: "`iflag=direct oflag=direct`, or `cp`",
        ..COPIES
    },
    Case {
        name: "dd-iflag-direct",
        command: "dd if=file of=copy bs=1M iflag=direct status=none",
        copied: &[WRITTEN],
        per_byte: 0.5,
        verdict: "broken",
        reason: Some("produced"),
        because: "the disk writes into dd's memory; from there the page cache gets a copy",
        fix: "`oflag=direct` as well",
        ..PLAIN
    },
    Case {
        name: "dd-direct",
        command: "dd if=file of=copy bs=1M iflag=direct oflag=direct status=none",
        because: "the disk reads and writes dd's memory; no processor copies",
        ..PLAIN
    },
    Case {
        name: "curl-download",
        command: "curl -s -o copy http://127.0.0.1:PORT/file",
        peer: Peer::Server,
        copied: &[RECEIVED, WRITTEN],
        because: "each buffer is received and written",
        fix: "none by flags; `splice` in a program of one's own",
        ..COPIES
    },
    Case {
        name: "curl-upload",
        command: "curl -s -T file http://127.0.0.1:PORT/copy",
        peer: Peer::Server,
        copied: &[READ, SENT],
        because: "each buffer is read and sent",
        fix: "none by flags; `sendfile` in a program of one's own",
        ..COPIES
    },
];
