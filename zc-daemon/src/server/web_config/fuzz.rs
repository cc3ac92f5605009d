//! Hostile bytes for the web configuration, what it names, and who asks. Each says whether they
//! were read as something.

use std::path::Path;

use axum::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{Policy, file, tls::Pem, users::credentials};

pub(crate) fn yaml(bytes: &[u8]) -> bool {
    let file = match file::parse(&String::from_utf8_lossy(bytes)) {
        Ok(file) => file,
        Err(error) => {
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
            return false;
        }
    };
    let tls = file.tls_server_config.as_ref().map(|tls| &tls.value);
    let names_files = tls.is_some_and(|tls| {
        [&tls.cert_file, &tls.key_file, &tls.client_ca_file].into_iter().any(Option::is_some)
    });
    // What is in files is another target's.
    names_files || Policy::of(&file, Path::new("")).is_ok()
}

pub(crate) fn basic_auth(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    if let Some((user, password)) = text.split_once(':') {
        let value = format!("Basic {}", BASE64_STANDARD.encode(&*text));
        let headers = HeaderValue::try_from(value).map(|value| (AUTHORIZATION, value));
        let headers = HeaderMap::from_iter(headers);
        let told = credentials(&headers);
        assert_eq!(told, Some((user.to_owned(), password.as_bytes().to_vec())));
    }
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return false };
    let told = credentials(&HeaderMap::from_iter([(AUTHORIZATION, value)]));
    assert!(told.as_ref().is_none_or(|(user, _)| !user.contains(':')));
    told.is_some()
}

pub(crate) fn pem(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let pem = Pem::Inline(&text);
    let certificates = pem.certificates("cert");
    assert!(certificates.as_ref().map_or(true, |all| !all.is_empty()));
    certificates.is_ok() || pem.key().is_ok()
}
