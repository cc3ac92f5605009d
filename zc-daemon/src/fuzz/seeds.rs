//! Inputs that each target makes something of.

type Seeds = &'static [&'static [u8]];

pub(super) const SLOT: Seeds = &[include_bytes!("seeds/slot.bin")];
pub(super) const CALL_SITE: Seeds = &[
    b"\x07\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0\x80\x01\x01\x01\0\0\0\0\0",
    b"\x07\0\0\0\0\0\0\0\xff\xff\xff\xff\xfe\xff\xff\xff\0\0\0\0\0\0\0\0",
];
pub(super) const ARGV_BLOCK: Seeds = &[b"\x10\0\0\0\0\0\0\0python3\0-m\0http\0\0"];
/// A structure with a union, a tracepoint, a function and an enumeration.
pub(super) const BTF: Seeds = &[include_bytes!("seeds/btf.bin")];

pub(super) const NAME: Seeds = &[
    b"a-name",
    b"a\"b\\c\nd{e}=f,g",
    b"<script>alert('1')</script>&amp;",
    b"\xff\xfe caf\xc3\xa9 \xe2\x80\xae",
];
pub(super) const ARGV: Seeds = &[b"python3\0-m\0http.server\0", b"sh\0-c\0echo \"$1\"\n\0\0\0"];
pub(super) const CGROUP_PATH: Seeds = &[
    b"/system.slice/nginx.service",
    b"/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    b"/kubepods.slice/kubepods-pod1b2c3d4e_0000_4a5b_8c7d_0123456789ab.slice/crio-\
      0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.scope",
    b"/kubepods/burstable/pod1b2c3d4e-0000-4a5b-8c7d-0123456789ab/x",
];
pub(super) const CGROUP_MOVED: Seeds = &[b"/a\n/b\n/a/c/d", b"/a.slice\n/b.slice/x\n/a.slice/a"];
pub(super) const POD_LOGS: Seeds = &[b"shop_cart-0_1b2c3d4e-0000-4a5b-8c7d-0123456789ab"];
pub(super) const PASSWD: Seeds = &[b"root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/:/bin/false\n"];

pub(super) const STATUS: Seeds = &[
    b"Name:\tcat\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t7\nNgid:\t0\nPid:\t7\n",
    b"Name:\ta\\nTgid:\t9\nState:\tR (running)\nTgid:\t4294967295\n",
];
pub(super) const STAT: Seeds = &[b"9 (cat) S 7 9 9 0 -1", b"9 (a) S 1 (b) ) R 4194304 9"];
pub(super) const MAPS: Seeds = &[
    b"55d0c0008000-55d0c0009000 r-xp 00008000 fd:01 1048601                    /usr/bin/a file\n\
      7f0000000000-7f0000001000 rwxp 00000000 00:00 0 \n\
      7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]\n",
    b"0-ffffffffffffffff r-xp ffffffffffffffff fd:01 7 /a",
];
pub(super) const IO: Seeds = &[
    b"rchar: 9\nwchar: 8\nsyscr: 7\nsyscw: 6\nread_bytes: 4096\nwrite_bytes: 0\n",
    b"read_bytes: 18446744073709551615\nwrite_bytes: 0\n",
];
pub(super) const LOADAVG: Seeds = &[b"0.20 0.18 0.12 1/80 11206\n"];
pub(super) const TCP: Seeds = &[
    b"   1: 020200C0:B58B 010200C0:0050 01 00000000:00000001 00:00000000 00000000 0 0 95381 2 0\n",
    b"   0: 0000000000000000FFFF00000100007F:0050 B80D0120000000000000000001000000:0050 01 0:0 0:0 0 \
      0 0 7 1\n",
];
pub(super) const MOUNTS: Seeds = &[
    b"cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\nproc /proc proc rw 0 0\n\x000::/a\n",
    b"cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n\
      cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n\x008:pids:/a\n3:cpu,cpuacct:/\n",
];
pub(super) const KALLSYMS: Seeds =
    &[b"ffffffff81000000 T _text\nffffffff81000010 t a_function\nffffffffc0000000 t b\t[module]\n"];
pub(super) const LOCKDOWN: Seeds = &[b"none [integrity] confidentiality\n"];
pub(super) const ADDRESSES: Seeds = &[
    b"\x10\0\0\0\0\0\0\x81\x20\0\0\0\0\0\0\x81\x30\0\0\0\0\0\0\x81",
    b"\x10\0\0\0\0\0\0\x81\0\0\0\0\0\0\0\0",
];

pub(super) const ACCEPT: Seeds = &[
    b"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;\
      q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    b"Application/OpenMetrics-Text; Version=\"1.0.0\" ; Q=0.5, text/plain;q=0.5",
];
pub(super) const ACCEPT_ENCODING: Seeds = &[b"gzip", b"br, *;q=0.5", b"deflate, GZIP;q=0.1"];
pub(super) const SCRAPE_TIMEOUT: Seeds = &[b"5", b"0.1"];
pub(super) const HISTORY_QUERY: Seeds = &[b"last=15m&group=a b&step=10s", b"step=1m&last=24h"];
pub(super) const BASIC_AUTH: Seeds = &[b"Basic YWxpY2U6c2VjcmV0", b"basic Og=="];

pub(super) const WEB_CONFIG: Seeds = &[
    b"basic_auth_users:\n  alice: $2y$10$abcdefghijklmnopqrstuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu\n",
    b"http_server_config:\n  http2: true\n  headers:\n    X-Frame-Options: deny\n",
    b"tls_server_config:\n  cert_file: a.crt\n  key_file: a.key\n  min_version: TLS13\n  \
      cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n",
    b"---\n# nothing\n",
];
pub(super) const PEM: Seeds = &[include_bytes!("seeds/certificate.pem")];
pub(super) const SETTINGS: Seeds = &[
    b"interval = 2\nself-test = true\nmax-groups = 7\n[web]\nlisten-address = '127.0.0.1:1'\n",
    b"web.listen-address = ['127.0.0.1:1', ':9']\nlog = { level = 'zc_daemon=debug' }\n",
];
pub(super) const TEMPLATE: Seeds = &[
    b"[[rule]]\nmatch = { argv = '.*http.*', user = 'root|www-data' }\nname = 'web/{user}/{exe}'\n\
      [[rule]]\nname = 'rest'\n",
    include_bytes!("../engine/template.toml"),
];
pub(super) const POLICY: Seeds = &[
    b"max-copies-per-byte = 0.1\nmax-copied = \"1MiB\"\nroutes = [\"sendfile\"]\n\
      ignore-below = 4096\nallow-inferred = true\n",
    b"max-copied = 9223372036854775807\n",
];
/// Of three intervals, with its end.
pub(super) const RECORDING: Seeds = &[include_bytes!("seeds/recording.bin")];
pub(super) const INTERVAL_RECORD: Seeds = &[
    b"\x84\xa4from\x00\xa2to\xcd\x03\xe8\xa6merged\x01\xa4rows\x92\
      \x82\xa1g\xa2dd\xa1c\x92\x92\x00\xcd\x10\x00\x92\x02\x05\
      \x83\xa1g\xa3cat\xa1p\x83\xa5start\x01\xa3pid\x07\xa4comm\xa3cat\xa1c\x91\x92\x01\x01",
    b"\x85\xa4from\x00\xa2to\x01\xa6merged\x01\xa4rows\x90\xa4lost\x81\xa7no_slot\x03",
];
pub(super) const AMOUNT: Seeds = &[b"4096", b"64KiB", b"1.5 MB"];
pub(super) const ROUTE: Seeds = &[b"sendfile", b"io_uring", b"other"];
pub(super) const DURATION: Seeds = &[b"10s", b"500ms", b"2m", b"1.5"];
pub(super) const INTERVAL: Seeds = &[b"1", b"0.01", b"10"];
pub(super) const PERCENTAGE: Seeds = &[b"1%", b"0.5%"];
pub(super) const LOG_FILTER: Seeds = &[b"info", b"zc_daemon=debug,warn", b"[span{field=1}]=trace"];
pub(super) const LISTEN_ADDRESS: Seeds = &[b"127.0.0.1:10042", b"[::1]:0", b":9"];
pub(super) const TELEMETRY_PATH: Seeds = &[b"/metrics", b"/a/b-c_d.e~f"];
pub(super) const SIZE: Seeds = &[b"16MiB", b"65536", b"1MB"];
