//! THE table of keys, and the page of it.

/// Each key: how it is called, a word for the footer (none: not there), and what it does.
pub(super) static KEYS: &[(&str, &str, &str)] = &[
    ("q", "quit", "end; so does Ctrl-C"),
    ("g", "by", "groups, or processes"),
    ("t", "tree", "a tree of cgroups (--group-by cgroup) or groups, with processes"),
    ("s", "sort", "sort by the next column; S: by the one before"),
    ("r", "", "the last first"),
    ("/", "filter", "only rows with this text in name, group or pid; Esc: all again"),
    ("p", "pause", "stop and go on; what happened meanwhile is in the next look"),
    ("⏎", "detail", "one row: its last minute, its routes, why bytes were copied"),
    ("a", "advice", "who relays bytes: `zc advise`, of the opened process or of all"),
    ("?", "help", "this page"),
    ("↑ ↓", "", "select; also k, j, PgUp, PgDn, Home, End"),
    ("Ctrl-Z", "", "suspend"),
];

/// What columns and marks mean.
pub(super) const MEANING: &[&str] = &[
    "COPIED/s   bytes that the kernel's CPU copied; ~ if some are inferred",
    "COPIES/B   copies of each byte that went somewhere; ≥ if some are unknown",
    "MOVED/s    bytes that changed hands by reference",
    "SWITCH/s   context switches, voluntary/involuntary",
    "VERDICT    zero-copy: at most 0.05 copies of each byte; copies: more;",
    "           unsure: it depends on bytes of which zc cannot tell; idle: none",
    "-          unknown: a probe is down, or there was one look only",
];
