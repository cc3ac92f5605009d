//! Certificates of clients: whether they are asked for, wanted, and believed.

use std::{net::IpAddr, sync::Arc};

use anyhow::{Context as _, Result, bail, ensure};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use webpki::EndEntityCert;

use super::file::{Placed, Tls, wrong};

/// How Go's `tls.ClientAuthType` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Policy {
    name: &'static str,
    asks: bool,
    needs: bool,
    verifies: bool,
}

const fn policy(name: &'static str, asks: bool, needs: bool, verifies: bool) -> Policy {
    Policy { name, asks, needs, verifies }
}

const POLICIES: &[Policy] = &[
    policy("NoClientCert", false, false, false),
    policy("RequestClientCert", true, false, false),
    policy("RequireAnyClientCert", true, true, false),
    policy("VerifyClientCertIfGiven", true, false, true),
    policy("RequireAndVerifyClientCert", true, true, true),
];

/// What a client's certificate may be for.
#[derive(Debug)]
enum Name {
    Dns(String),
    Address(ServerName<'static>),
}

/// The verifier that the file asks for, with the authorities that it names; none, if clients
/// are not asked.
pub(super) fn verifier(
    tls: &Tls,
    authorities: Option<Vec<CertificateDer<'static>>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>> {
    let policy = wanted(tls.client_auth_type.as_ref())?;
    ensure!(
        policy.verifies == authorities.is_some(),
        "client_auth_type {} and client_ca_file do not go together: a policy that verifies needs \
         authorities, and no other uses them",
        policy.name
    );
    let names = tls.client_allowed_sans.as_deref().unwrap_or_default();
    let names = names.iter().map(name).collect::<Result<Vec<_>>>()?;
    ensure!(
        names.is_empty() || policy.verifies,
        "client_allowed_sans needs a client_auth_type that verifies"
    );
    if !policy.asks {
        return Ok(None);
    }
    let chain = authorities.map(|authorities| chain(authorities, provider)).transpose()?;
    Ok(Some(Arc::new(Verifier { policy, chain, names, provider: Arc::clone(provider) })))
}

fn wanted(name: Option<&Placed<String>>) -> Result<Policy> {
    let Some(name) = name.filter(|name| !name.value.is_empty()) else { return Ok(POLICIES[0]) };
    match POLICIES.iter().find(|policy| policy.name == name.value) {
        Some(policy) => Ok(*policy),
        None => {
            let names: Vec<_> = POLICIES.iter().map(|policy| policy.name).collect();
            bail!(wrong(name, format!("{:?} is none of {}", name.value, names.join(", "))))
        }
    }
}

fn name(text: &Placed<String>) -> Result<Name> {
    if let Ok(address) = text.value.parse::<IpAddr>() {
        return Ok(Name::Address(ServerName::from(address)));
    }
    let why = "is neither a DNS name nor an address; zc compares no others";
    ensure!(
        !text.value.is_empty() && !text.value.contains(['@', ':', '/']),
        wrong(text, format!("{:?} {why}", text.value))
    );
    Ok(Name::Dns(text.value.clone()))
}

/// Verifies chains up to one of these authorities.
fn chain(
    authorities: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).context("client_ca_file has a certificate that is no authority's")?;
    }
    WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider))
        .build()
        .context("client_ca_file has no certificate")
}

#[derive(Debug)]
struct Verifier {
    policy: Policy,
    chain: Option<Arc<dyn ClientCertVerifier>>,
    names: Vec<Name>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    /// Whether a certificate has one of the names, if any are asked for.
    fn knows(&self, certificate: &CertificateDer<'_>) -> bool {
        let Ok(certificate) = EndEntityCert::try_from(certificate) else { return false };
        self.names.is_empty()
            || self.names.iter().any(|name| match name {
                Name::Dns(name) => certificate.valid_dns_names().any(|known| known == name),
                Name::Address(address) => {
                    certificate.verify_is_valid_for_subject_name(address).is_ok()
                }
            })
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.policy.needs
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.as_ref().map_or(&[], |chain| chain.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(chain) = &self.chain {
            chain.verify_client_cert(certificate, intermediates, now)?;
        }
        if self.knows(certificate) {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(rustls::CertificateError::NotValidForName))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
