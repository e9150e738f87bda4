//! TLS, as the section `tls_server_config` of the web configuration asks for it.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use serde::Deserialize;
use tokio_rustls::TlsAcceptor;

use super::error::WebConfigError;
use super::{certificate, key};

/// The section as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TlsSection {
    cert: Option<String>,
    key: Option<String>,
    client_ca: Option<String>,
    cert_file: Option<String>,
    key_file: Option<String>,
    client_ca_file: Option<String>,
    client_auth_type: Option<String>,
    client_allowed_sans: Vec<String>,
    min_version: Option<String>,
    max_version: Option<String>,
    cipher_suites: Vec<String>,
    prefer_server_cipher_suites: Option<bool>,
    curve_preferences: Vec<String>,
}

/// The PEM texts that the section holds or names.
#[derive(Default, Hash)]
pub(super) struct Pem {
    cert: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
    client_ca: Option<Vec<u8>>,
}

/// How connections are encrypted, and which client certificates are taken.
#[derive(Debug)]
pub(in crate::http) struct Tls {
    config: Arc<ServerConfig>,
    /// The names of the clients that may connect; empty where every certificate of the authority will do.
    pub(super) allowed: Vec<String>,
    pub(super) clients: ClientCertificates,
    /// 2 or 3, for TLS 1.2 or 1.3.
    pub(super) least_version: u8,
    /// When the server's certificate is valid, where it can be read.
    pub(super) validity: Option<(Timestamp, Timestamp)>,
}

/// Whether clients have to show a certificate; the later, the stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientCertificates {
    /// They are not asked.
    None,
    /// What they show must be valid.
    Optional,
    /// They must show a valid one.
    Required,
}

impl Tls {
    pub(in crate::http) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.config).into()
    }

    /// Tells whether the client's certificate names one of the allowed subjects, where there are any.
    pub(in crate::http) fn allows(&self, peer: Option<&[CertificateDer<'_>]>) -> bool {
        let named = |peer: &CertificateDer<'_>| certificate::names_one_of(peer, &self.allowed);
        self.allowed.is_empty() || peer.and_then(|chain| chain.first()).is_some_and(named)
    }
}

impl TlsSection {
    /// Gathers the PEM texts; `read` reads the file of a name.
    pub(super) fn pem(&self, read: impl Fn(&str) -> Result<Vec<u8>, WebConfigError>) -> Result<Pem, WebConfigError> {
        let of = |key: &str, text: &Option<String>, file: &Option<String>| match (filled(text), filled(file)) {
            (Some(_), Some(_)) => Err(fault(key, "is given twice, as text and as a file")),
            (Some(text), None) => Ok(Some(text.as_bytes().to_vec())),
            (None, Some(file)) => read(file).map(Some),
            (None, None) => Ok(None),
        };
        Ok(Pem {
            cert: of("cert", &self.cert, &self.cert_file)?,
            key: of("key", &self.key, &self.key_file)?,
            client_ca: of("client_ca", &self.client_ca, &self.client_ca_file)?,
        })
    }

    /// The files that the section names: key, name, and whether what is in them is secret.
    pub(super) fn files(&self) -> impl Iterator<Item = (&'static str, &str, bool)> {
        let files = [
            ("cert_file", &self.cert_file, false),
            ("key_file", &self.key_file, true),
            ("client_ca_file", &self.client_ca_file, false),
        ];
        files.into_iter().filter_map(|(key, name, is_secret)| Some((key, filled(name)?, is_secret)))
    }

    /// Tells whether the section itself holds the key.
    pub(super) fn has_key(&self) -> bool {
        filled(&self.key).is_some()
    }

    fn asks_for_nothing(&self) -> bool {
        // The shared format takes an empty section for plain HTTP.
        filled(&self.client_auth_type).is_none() && filled(&self.min_version).is_none()
    }
}

/// What the section asks for; `None` for plain HTTP.
pub(super) fn build(written: &TlsSection, pem: &Pem) -> Result<Option<Tls>, WebConfigError> {
    let (cert, key) = match (&pem.cert, &pem.key) {
        (Some(cert), Some(key)) => (cert, key),
        (None, None) if pem.client_ca.is_none() && written.asks_for_nothing() => return Ok(None),
        (None, _) => return Err(fault("cert_file", "is missing")),
        (_, None) => return Err(fault("key_file", "is missing")),
    };
    let provider = Arc::new(provider(written)?);
    let (least_version, versions) = versions(written)?;
    let clients = client_certificates(written, pem)?;
    let key = key::read(key).map_err(|reason| fault("key_file", reason))?;
    let chain = certificates("cert_file", cert)?;
    let validity = chain.first().and_then(certificate::validity);
    // Built below once more: only here is it sure that an error is the key's.
    provider.key_provider.load_private_key(key.clone_key()).map_err(|_| fault("key_file", key::fault(&key)))?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| fault("cipher_suites", error.to_string()))?;
    let builder = match clients {
        ClientCertificates::None => builder.with_no_client_auth(),
        clients => builder.with_client_cert_verifier(client_verifier(clients, pem, provider)?),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => fault("cert_file", "the certificate is not one for the key of key_file"),
        other => fault("cert_file", other.to_string()),
    })?;
    config.ignore_client_order = written.prefer_server_cipher_suites.unwrap_or(true);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let allowed = written.client_allowed_sans.clone();
    Ok(Some(Tls { config: Arc::new(config), allowed, clients, least_version, validity }))
}

fn provider(written: &TlsSection) -> Result<CryptoProvider, WebConfigError> {
    let mut provider = ring::default_provider();
    if !written.cipher_suites.is_empty() {
        let all = provider.cipher_suites;
        let name = |suite: &rustls::SupportedCipherSuite| suite.suite().as_str().unwrap_or_default();
        // The list is for TLS 1.2; those of 1.3 are all good, and Go has them always on too.
        let (mut chosen, old): (Vec<_>, Vec<_>) = all.into_iter().partition(|suite| name(suite).starts_with("TLS13_"));
        for wanted in &written.cipher_suites {
            match old.iter().find(|suite| name(suite) == wanted) {
                Some(suite) => chosen.push(*suite),
                None if chosen.iter().any(|suite| name(suite).replace("TLS13_", "TLS_") == *wanted) => {}
                None => {
                    let known: Vec<_> = old.iter().map(name).collect();
                    let reason = format!("`{wanted}` is not supported; there are {}", known.join(", "));
                    return Err(fault("cipher_suites", reason));
                }
            }
        }
        provider.cipher_suites = chosen;
    }
    if !written.curve_preferences.is_empty() {
        let curves = written.curve_preferences.iter().map(|curve| match curve.as_str() {
            "X25519" => Ok(ring::kx_group::X25519),
            "CurveP256" => Ok(ring::kx_group::SECP256R1),
            "CurveP384" => Ok(ring::kx_group::SECP384R1),
            other => Err(fault(
                "curve_preferences",
                format!("`{other}` is not supported; there are X25519, CurveP256, CurveP384"),
            )),
        });
        provider.kx_groups = curves.collect::<Result<_, _>>()?;
    }
    Ok(provider)
}

/// The least version, and all.
fn versions(written: &TlsSection) -> Result<(u8, Vec<&'static SupportedProtocolVersion>), WebConfigError> {
    let number = |key: &str, text: &Option<String>, default: u8| match filled(text) {
        None => Ok(default),
        Some("TLS12") => Ok(2),
        Some("TLS13") => Ok(3),
        Some(other) => Err(fault(key, format!("`{other}` is not supported; there are TLS12 and TLS13"))),
    };
    let (least, most) =
        (number("min_version", &written.min_version, 2)?, number("max_version", &written.max_version, 3)?);
    let versions: Vec<_> = [(3, &version::TLS13), (2, &version::TLS12)]
        .into_iter()
        .filter(|(number, _)| (least..=most).contains(number))
        .map(|(_, version)| version)
        .collect();
    if versions.is_empty() { Err(fault("min_version", "is above max_version")) } else { Ok((least, versions)) }
}

fn client_certificates(written: &TlsSection, pem: &Pem) -> Result<ClientCertificates, WebConfigError> {
    let has_names = !written.client_allowed_sans.is_empty();
    match filled(&written.client_auth_type).unwrap_or("NoClientCert") {
        "RequireAndVerifyClientCert" => Ok(ClientCertificates::Required),
        "VerifyClientCertIfGiven" if has_names => {
            Err(fault("client_allowed_sans", "needs client_auth_type RequireAndVerifyClientCert"))
        }
        "VerifyClientCertIfGiven" => Ok(ClientCertificates::Optional),
        "NoClientCert" if pem.client_ca.is_some() || has_names => {
            Err(fault("client_auth_type", "client certificates are configured, but this does not ask for them"))
        }
        "NoClientCert" => Ok(ClientCertificates::None),
        other => Err(fault(
            "client_auth_type",
            format!(
                "`{other}` is not supported, since it takes any certificate; there are NoClientCert, \
                 VerifyClientCertIfGiven, RequireAndVerifyClientCert"
            ),
        )),
    }
}

fn client_verifier(
    clients: ClientCertificates,
    pem: &Pem,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, WebConfigError> {
    let authority = pem.client_ca.as_ref().ok_or_else(|| fault("client_ca_file", "is missing"))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates("client_ca_file", authority)? {
        roots.add(certificate).map_err(|error| fault("client_ca_file", error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if clients == ClientCertificates::Optional { builder.allow_unauthenticated() } else { builder };
    builder.build().map_err(|error| fault("client_ca_file", error.to_string()))
}

fn certificates(key: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, WebConfigError> {
    let wrong = || fault(key, "holds no certificate in PEM");
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| wrong())?;
    if found.is_empty() { Err(wrong()) } else { Ok(found) }
}

fn filled(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

fn fault(key: &str, reason: impl Into<String>) -> WebConfigError {
    WebConfigError::setting(&format!("tls_server_config.{key}"), reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault_of(yaml: &str) -> String {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let written = TlsSection {
            cert: Some(signed.cert.pem()),
            key: Some(signed.signing_key.serialize_pem()),
            ..serde_yaml::from_str(yaml).unwrap()
        };
        let pem = written.pem(|name| Ok(name.as_bytes().to_vec()));
        match pem.and_then(|pem| build(&written, &pem)) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn good_settings_are_taken() {
        for good in [
            "{}",
            "{min_version: TLS13}",
            "{min_version: TLS12, max_version: TLS12}",
            "{cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256]}",
            "{prefer_server_cipher_suites: false, curve_preferences: [X25519, CurveP256]}",
            "{client_auth_type: ''}",
        ] {
            assert_eq!(fault_of(good), "", "{good}");
        }
    }

    #[test]
    fn what_rustls_does_not_have_is_told() {
        for (wrong, expected) in [
            ("{min_version: TLS11}", "tls_server_config.min_version: `TLS11` is not supported"),
            ("{min_version: TLS13, max_version: TLS12}", "is above max_version"),
            ("{cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]}", "there are TLS_ECDHE_"),
            ("{curve_preferences: [CurveP521]}", "`CurveP521` is not supported"),
            ("{client_auth_type: RequestClientCert}", "since it takes any certificate"),
            ("{client_auth_type: RequireAndVerifyClientCert}", "client_ca_file: is missing"),
            ("{client_ca_file: x}", "does not ask for them"),
            ("{client_auth_type: RequireAndVerifyClientCert, client_ca_file: x}", "holds no certificate"),
            ("{cert_file: x}", "tls_server_config.cert: is given twice"),
        ] {
            let fault = fault_of(wrong);
            assert!(fault.contains(expected), "{wrong}: {fault}");
        }
    }
}
