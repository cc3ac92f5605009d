//! What `zc run` serves, and where.

use std::{
    net::{Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use clap::Args;

use crate::server::PATHS;

/// Flags of serving.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Serving")]
pub struct WebFlags {
    /// Where to serve: an address and a port, or :PORT for every address; port 0 takes a free
    /// one. May be given more than once.
    #[arg(
        long = "web.listen-address",
        env = "ZC_WEB_LISTEN_ADDRESS",
        value_name = "ADDRESS",
        value_delimiter = ',',
        default_value = "127.0.0.1:10042",
        value_parser = address
    )]
    pub listen_addresses: Vec<SocketAddr>,
    /// The path of the exposition.
    #[arg(
        long = "web.telemetry-path",
        env = "ZC_WEB_TELEMETRY_PATH",
        value_name = "PATH",
        default_value = "/metrics",
        value_parser = path
    )]
    pub telemetry_path: String,
    /// Requests that may cost a reading at a time; more are answered with 503.
    #[arg(
        long = "web.max-requests",
        env = "ZC_WEB_MAX_REQUESTS",
        value_name = "N",
        default_value_t = 40,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub max_requests: u16,
    /// Connections that may be open at a time; a further one takes the place of the one that
    /// has waited longest without a request.
    #[arg(
        long = "web.max-connections",
        env = "ZC_WEB_MAX_CONNECTIONS",
        value_name = "N",
        default_value_t = 256,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub max_connections: u16,
    /// A YAML file that says with which certificate, to whom and with which headers to serve, as
    /// that of Prometheus' exporters does; docs/web.md.
    #[arg(long = "web.config.file", env = "ZC_WEB_CONFIG_FILE", value_name = "FILE")]
    pub web_config: Option<PathBuf>,
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix(':').and_then(|port| port.parse().ok()) {
        return Ok((Ipv6Addr::UNSPECIFIED, port).into());
    }
    text.parse().map_err(|_| {
        format!("{text:?} is no address with a port; write 127.0.0.1:10042, [::1]:10042 or :10042")
    })
}

pub(super) fn path(text: &str) -> Result<String, String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/-_.~".contains(letter);
    if !text.starts_with('/') || !text.chars().all(plain) {
        return Err(format!("{text:?} is no path of letters, digits and /-_.~ from /"));
    }
    if PATHS.contains(&text) {
        return Err(format!("another page is at {text}; choose another path"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_port() {
        assert_eq!(address("127.0.0.1:1").unwrap().to_string(), "127.0.0.1:1");
        assert_eq!(address("[::1]:0").unwrap().to_string(), "[::1]:0");
        assert_eq!(address(":9").unwrap().to_string(), "[::]:9");
        for wrong in ["", ":", "127.0.0.1", ":70000", "localhost:1", "here"] {
            assert!(address(wrong).unwrap_err().contains("no address"), "{wrong}");
        }
    }

    #[test]
    fn the_exposition_has_a_path_of_its_own() {
        assert_eq!(path("/zc/metrics").as_deref(), Ok("/zc/metrics"));
        for wrong in ["", "metrics", "/{all}", "/a b", "/a?b", "/", "/-/ready"] {
            assert!(path(wrong).is_err(), "{wrong}");
        }
    }
}
