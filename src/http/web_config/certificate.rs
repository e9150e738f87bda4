//! What certificates say: when they are valid, and which names they are for.

use std::net::IpAddr;

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// From when and until when the certificate is valid.
pub(super) fn validity(certificate: &CertificateDer<'_>) -> Option<(Timestamp, Timestamp)> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let time = |time: x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp()).ok();
    Some((time(certificate.validity().not_before)?, time(certificate.validity().not_after)?))
}

/// Tells whether one of the certificate's alternative names is one of `allowed`: as a text, as the shared format
/// compares them. A certificate for `*.example` is not one for every name below, but for that text.
pub(super) fn names_one_of(certificate: &CertificateDer<'_>, allowed: &[String]) -> bool {
    names(certificate).iter().any(|name| allowed.iter().any(|allowed| name.is(allowed)))
}

/// What to call the holder of the certificate: its first alternative name.
pub(in crate::http) fn name_of(certificate: &CertificateDer<'_>) -> Option<String> {
    Some(match names(certificate).into_iter().next()? {
        Name::Host(name) | Name::Exact(name) => name,
        Name::Address(address) => address.to_string(),
    })
}

enum Name {
    /// A host, in any case.
    Host(String),
    /// A URI or an e-mail address, whose letters may be told apart by their case.
    Exact(String),
    Address(IpAddr),
}

impl Name {
    fn is(&self, allowed: &str) -> bool {
        match self {
            Self::Host(name) => name.eq_ignore_ascii_case(allowed),
            Self::Exact(name) => name == allowed,
            Self::Address(address) => allowed.parse() == Ok(*address),
        }
    }
}

fn names(certificate: &CertificateDer<'_>) -> Vec<Name> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    names.value.general_names.iter().filter_map(name).collect()
}

fn name(name: &GeneralName<'_>) -> Option<Name> {
    Some(match name {
        GeneralName::DNSName(name) => Name::Host((*name).to_owned()),
        GeneralName::RFC822Name(name) | GeneralName::URI(name) => Name::Exact((*name).to_owned()),
        GeneralName::IPAddress(bytes) => Name::Address(
            <[u8; 4]>::try_from(*bytes)
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
                .ok()?,
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn with_names(names: Vec<SanType>) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().into()
    }

    #[test]
    fn hosts_are_compared_without_case_and_mail_addresses_and_uris_exactly() {
        let host = with_names(vec![SanType::DnsName("Prometheus.example".try_into().unwrap())]);
        let wildcard = with_names(vec![SanType::DnsName("*.example".try_into().unwrap())]);
        let mail = with_names(vec![SanType::Rfc822Name("Ann@example.com".try_into().unwrap())]);
        let uri = with_names(vec![SanType::URI("spiffe://example/Prometheus".try_into().unwrap())]);
        let address = with_names(vec![SanType::IpAddress("2001:db8::1".parse().unwrap())]);
        for (certificate, allowed, expected) in [
            (&host, "PROMETHEUS.EXAMPLE", true),
            (&host, "example", false),
            (&wildcard, "prometheus.example", false),
            (&wildcard, "*.example", true),
            (&mail, "Ann@example.com", true),
            (&mail, "ann@example.com", false),
            (&uri, "spiffe://example/Prometheus", true),
            (&uri, "spiffe://example/prometheus", false),
            (&uri, "spiffe://example/Prometheus/", false),
            (&address, "2001:DB8:0::1", true),
            (&address, "2001:db8::2", false),
        ] {
            let list = ["other.example".to_owned(), allowed.to_owned()];
            assert_eq!(names_one_of(certificate, &list), expected, "{allowed}");
        }
        assert!(!names_one_of(&with_names(Vec::new()), &[String::new()]));
        assert_eq!(name_of(&mail).as_deref(), Some("Ann@example.com"));
        assert_eq!(name_of(&with_names(Vec::new())), None);
    }
}
