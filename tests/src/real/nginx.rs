//! How nginx is set up, be it the program or the peer.

use std::{io, net::TcpListener};

/// Ports that nobody has, each another one.
pub(super) fn free_ports() -> io::Result<[u16; 2]> {
    let listen = || TcpListener::bind("127.0.0.1:0");
    let listeners = [listen()?, listen()?];
    let [first, second] = listeners.each_ref().map(TcpListener::local_addr);
    Ok([first?.port(), second?.port()])
}

/// One worker, which its master starts: zc must follow it. The user is root, as the folder is
/// root's.
pub(super) fn conf(told: &str, port: u16) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|name| format!("{name}_temp_path {name};")).join(" ");
    format!(
        "daemon off;\nuser root root;\nworker_processes 1;\npid {port}.pid;\n\
         error_log stderr warn;\nevents {{}}\nhttp {{\n{temporary}\naccess_log off;\n\
         client_max_body_size 0;\n\
         server {{ listen 127.0.0.1:{port}; root .; dav_methods PUT; {told} }}\n}}\n"
    )
}
