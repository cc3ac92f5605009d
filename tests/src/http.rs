//! Requests byte by byte: what a client library would not send.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context as _, Result};

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// What came after them.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header, if it has it.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body).context("the body is no text")
    }

    /// What a connection was answered until its end.
    ///
    /// # Errors
    ///
    /// If it is no answer of HTTP.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").context("no head")?;
        let head = std::str::from_utf8(&bytes[..end])?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("no status")?;
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let body = bytes[end + 4..].to_vec();
        Ok(Self { status: status.parse()?, headers: headers.collect(), body })
    }
}

/// How long to wait for bytes: no test is about this one.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection.
///
/// # Errors
///
/// If nobody listens there.
pub fn connect(address: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).with_context(|| format!("cannot reach {address}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Sends bytes, and reads what comes until the other side closes; a reset counts as that.
///
/// # Errors
///
/// If they cannot be sent.
pub fn exchange(address: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut stream = connect(address)?;
    // Whoever is refused may be so before all is sent.
    let _ = stream.write_all(bytes);
    Ok(rest(&mut stream))
}

/// What comes until the other side closes.
pub fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    // What came before a reset is kept.
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// One request with these headers, on a connection of its own.
///
/// # Errors
///
/// If it is not answered.
pub fn ask(address: &str, method: &str, path: &str, headers: &[&str]) -> Result<Answer> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: zc\r\nConnection: close\r\n");
    for header in headers {
        request += header;
        request += "\r\n";
    }
    request += "\r\n";
    Answer::parse(&exchange(address, request.as_bytes())?)
        .with_context(|| format!("{method} {path} is not answered"))
}
