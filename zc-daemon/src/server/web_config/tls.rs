//! From the file's part on TLS to what rustls wants.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rustls::{
    CipherSuite, ProtocolVersion, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    version::{TLS12, TLS13},
};

use super::{
    clients,
    file::{Placed, Tls, wrong},
};

/// The versions, oldest first, by their names in the file.
const VERSIONS: &[(&str, &SupportedProtocolVersion)] = &[("TLS12", &TLS12), ("TLS13", &TLS13)];

/// The curves, by their names in the file and in rustls.
const CURVES: &[(&str, rustls::NamedGroup)] = &[
    ("X25519", rustls::NamedGroup::X25519),
    ("CurveP256", rustls::NamedGroup::secp256r1),
    ("CurveP384", rustls::NamedGroup::secp384r1),
];

/// What is in a file, or in the configuration itself.
pub(super) enum Pem<'a> {
    File(PathBuf),
    Inline(&'a str),
}

/// The files that it names, relative to `folder`.
pub(super) fn files(tls: &Tls, folder: &Path) -> Vec<PathBuf> {
    let named = [&tls.cert_file, &tls.key_file, &tls.client_ca_file];
    named.into_iter().flatten().map(|file| folder.join(file)).collect()
}

/// What rustls wants.
pub(super) fn server(tls: &Placed<Tls>, folder: &Path) -> Result<Arc<ServerConfig>> {
    let provider = Arc::new(provider(&tls.value)?);
    let pem = |file: &Option<String>, inline, name| {
        Pem::of(file.as_ref().map(|file| folder.join(file)), inline, name)
    };
    let Tls { cert_file, cert, key_file, key, client_ca_file, client_ca, .. } = &tls.value;
    let certificate = pem(cert_file, cert, "cert")?;
    let key = pem(key_file, key, "key")?;
    let (Some(certificate), Some(key)) = (certificate, key) else {
        bail!(wrong(tls, "tls_server_config needs cert_file and key_file"));
    };
    let authorities = pem(client_ca_file, client_ca, "client_ca")?;
    let authorities = authorities.map(|pem| pem.certificates("client_ca")).transpose()?;
    let clients = clients::verifier(&tls.value, authorities, &provider)?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(&tls.value)?)
        .context("no cipher suite is left for the versions of TLS")?;
    let config = match clients {
        Some(verifier) => config.with_client_cert_verifier(verifier),
        None => config.with_no_client_auth(),
    };
    let mut config = config
        .with_single_cert(certificate.certificates("cert")?, key.key()?)
        .context("the certificate and the key do not go together")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ignore_client_order = tls.value.prefer_server_cipher_suites.unwrap_or(true);
    Ok(Arc::new(config))
}

impl<'a> Pem<'a> {
    fn of(file: Option<PathBuf>, inline: &'a Option<String>, name: &str) -> Result<Option<Self>> {
        match (file, inline) {
            (Some(_), Some(_)) => bail!("{name}_file and {name} are given both; leave one out"),
            (Some(file), None) => Ok(Some(Self::File(file))),
            (None, Some(text)) => Ok(Some(Self::Inline(text))),
            (None, None) => Ok(None),
        }
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        match self {
            Self::File(path) => {
                fs::read(path).with_context(|| format!("cannot read {}", path.display()))
            }
            Self::Inline(text) => Ok(text.as_bytes().to_vec()),
        }
    }

    pub(super) fn certificates(&self, name: &str) -> Result<Vec<CertificateDer<'static>>> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&self.bytes()?)
            .collect::<Result<_, _>>()
            .map_err(|error| anyhow!("{} is no PEM: {error}", self.called(name)))?;
        ensure!(!certificates.is_empty(), "{} has no certificate", self.called(name));
        Ok(certificates)
    }

    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>> {
        PrivateKeyDer::from_pem_slice(&self.bytes()?)
            .map_err(|error| anyhow!("{} has no private key: {error}", self.called("key")))
    }

    fn called(&self, name: &str) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Inline(_) => name.to_owned(),
        }
    }
}

/// The versions from the least to the most.
fn versions(tls: &Tls) -> Result<Vec<&'static SupportedProtocolVersion>> {
    let place = |bound: &Option<Placed<String>>, unset| match bound {
        None => Ok(unset),
        Some(name) => {
            VERSIONS.iter().position(|(known, _)| *known == name.value).ok_or_else(|| {
                wrong(name, format!("{:?} is none of TLS12, TLS13, which zc speaks", name.value))
            })
        }
    };
    let (least, most) = (place(&tls.min_version, 0)?, place(&tls.max_version, VERSIONS.len() - 1)?);
    ensure!(least <= most, "min_version is above max_version");
    Ok(VERSIONS[least..=most].iter().map(|(_, version)| *version).collect())
}

/// ring's algorithms, as far as the file wants them.
fn provider(tls: &Tls) -> Result<CryptoProvider> {
    let mut provider = ring::default_provider();
    if let Some(wanted) = &tls.curve_preferences {
        let curve = |name: &Placed<String>| {
            let group = CURVES.iter().find(|(known, _)| *known == name.value);
            let group = group.and_then(|(_, group)| {
                provider.kx_groups.iter().copied().find(|known| known.name() == *group)
            });
            group.ok_or_else(|| {
                let names: Vec<_> = CURVES.iter().map(|(name, _)| *name).collect();
                wrong(name, format!("{:?} is none of {}", name.value, names.join(", ")))
            })
        };
        provider.kx_groups = wanted.iter().map(curve).collect::<Result<_>>()?;
    }
    if let Some(wanted) = &tls.cipher_suites {
        let (fixed, known): (Vec<_>, Vec<_>) = provider
            .cipher_suites
            .iter()
            .copied()
            .partition(|suite| suite.version().version == ProtocolVersion::TLSv1_3);
        let suite = |name: &Placed<String>| {
            let found = known.iter().copied().find(|suite| called(suite.suite()) == name.value);
            found.ok_or_else(|| {
                let names: Vec<_> = known.iter().map(|suite| called(suite.suite())).collect();
                wrong(name, format!("{:?} is none of {}", name.value, names.join(", ")))
            })
        };
        // As in Go, those of TLS 1.3 are not for choosing.
        let wanted = wanted.iter().map(suite).collect::<Result<Vec<_>>>()?;
        provider.cipher_suites = [fixed, wanted].concat();
    }
    Ok(provider)
}

/// A cipher suite's name.
fn called(suite: CipherSuite) -> String {
    suite.as_str().unwrap_or_default().to_owned()
}
