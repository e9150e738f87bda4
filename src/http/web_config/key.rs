//! Private keys: read from PEM, and in words what is wrong with one that can't be used.

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::der_parser::ber::{BerObject, BerObjectContent};
use x509_parser::der_parser::der::parse_der;

const USABLE: &str = "use RSA of 2048 to 4096 bits, P-256, P-384 or Ed25519";

/// Kinds of keys by their object identifiers. Whatever is in a key besides them is not looked at.
const KINDS: &[(&str, &str)] = &[
    ("1.3.132.0.35", "a P-521 key"),
    ("1.3.132.0.10", "a secp256k1 key"),
    ("1.3.132.0.33", "a P-224 key"),
    ("1.3.101.113", "an Ed448 key"),
    ("1.2.840.10040.4.1", "a DSA key"),
    ("1.2.840.113549.1.1.10", "an RSA-PSS key"),
    ("1.2.840.10045.3.1.7", "a P-256 key without its public key"),
    ("1.3.132.0.34", "a P-384 key without its public key"),
];

/// Reads the first private key of a PEM text.
///
/// # Errors
/// Why there is none, and what to do.
pub(super) fn read(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    if has(pem, b"BEGIN ENCRYPTED PRIVATE KEY") || has(pem, b"Proc-Type: 4,ENCRYPTED") {
        return Err(
            "the key is encrypted, and the exporter can't ask for its passphrase: decrypt it with `openssl pkey -in \
                    KEY -out NEW`, for this program's user only"
                .to_owned(),
        );
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        // What DER begins with.
        if pem.first() == Some(&0x30) {
            "holds no private key in PEM but DER: convert it with `openssl pkey -inform DER -in KEY -out NEW`"
                .to_owned()
        } else {
            "holds no private key in PEM".to_owned()
        }
    })
}

/// What is wrong with a key that the TLS library refuses.
pub(super) fn fault(key: &PrivateKeyDer<'_>) -> String {
    let kind = parse_der(key.secret_der()).ok().and_then(|(_, parsed)| kind(&parsed, key));
    format!("{} can't be used: {USABLE}", kind.unwrap_or_else(|| "this kind of key".to_owned()))
}

fn kind(parsed: &BerObject<'_>, key: &PrivateKeyDer<'_>) -> Option<String> {
    if let PrivateKeyDer::Pkcs1(_) = key {
        return rsa(parsed);
    }
    let mut identifiers = Vec::new();
    gather(parsed, &mut identifiers);
    let known = KINDS.iter().find(|(identifier, _)| identifiers.iter().any(|found| found == identifier));
    if let Some((_, kind)) = known {
        return Some((*kind).to_owned());
    }
    // PKCS#8: version, algorithm, and the key in a text of its own.
    let inner = parsed.as_sequence().ok()?.get(2)?.as_slice().ok()?;
    rsa(&parse_der(inner).ok()?.1)
}

/// The size of an RSA key, which is that of its modulus.
fn rsa(parsed: &BerObject<'_>) -> Option<String> {
    let modulus = parsed.as_sequence().ok()?.get(1)?.as_slice().ok()?;
    let digits: Vec<_> = modulus.iter().copied().skip_while(|byte| *byte == 0).collect();
    let bits = digits.len() * 8 - digits.first()?.leading_zeros() as usize;
    Some(format!("an RSA key of {bits} bits"))
}

fn gather(object: &BerObject<'_>, identifiers: &mut Vec<String>) {
    match &object.content {
        BerObjectContent::OID(identifier) => identifiers.push(identifier.to_id_string()),
        BerObjectContent::Sequence(parts) => parts.iter().for_each(|part| gather(part, identifiers)),
        // `[0]` of an EC key in its own form holds the curve.
        BerObjectContent::Unknown(any) => {
            if let Ok((_, inner)) = parse_der(any.data) {
                gather(&inner, identifiers);
            }
        }
        _ => {}
    }
}

fn has(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use rustls::crypto::ring;

    use super::*;

    /// An element of DER.
    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let length = content.len();
        let head =
            if length < 0x80 { vec![tag, length as u8] } else { vec![tag, 0x82, (length >> 8) as u8, length as u8] };
        [head, content].concat()
    }

    /// PKCS#8 of an algorithm, with what it has as its key.
    fn pkcs8(algorithm: &[&[u8]], key: &[u8]) -> Vec<u8> {
        der(0x30, &[&[2, 1, 0], &der(0x30, algorithm), &der(4, &[key])])
    }

    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    /// What is said of a key.
    fn told(pem: &str) -> String {
        let key = match read(pem.as_bytes()) {
            Ok(key) => key,
            Err(reason) => return reason,
        };
        match ring::default_provider().key_provider.load_private_key(key.clone_key()) {
            Ok(_) => "good".to_owned(),
            Err(_) => fault(&key),
        }
    }

    const EC: &[u8] = &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    const P521: &[u8] = &[6, 5, 0x2b, 0x81, 4, 0, 0x23];
    const P256: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    const RSA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];

    #[test]
    fn keys_that_cannot_be_used_are_told_by_their_kind() {
        // The library looks at the kind before it looks at the numbers.
        let rsa = |bits: usize| {
            let modulus = [vec![0], vec![0xff; bits / 8]].concat();
            der(0x30, &[&[2, 1, 0], &der(2, &[&modulus]), &[2, 3, 1, 0, 1], &[2, 1, 3], &[2, 1, 3], &[2, 1, 5]])
        };
        let ec = |scalar: &[u8]| der(0x30, &[&[2, 1, 1], &der(4, &[scalar])]);
        let p521 = ec(&[1; 66]);
        let sec1 = der(0x30, &[&[2, 1, 1], &der(4, &[&[1; 66]]), &der(0xa0, &[P521])]);
        for (pem, expected) in [
            (pem("PRIVATE KEY", &pkcs8(&[EC, P521], &p521)), "a P-521 key can't be used: use RSA of 2048"),
            (pem("EC PRIVATE KEY", &sec1), "a P-521 key can't be used"),
            (pem("PRIVATE KEY", &pkcs8(&[RSA, &[5, 0]], &rsa(8192))), "an RSA key of 8192 bits can't be used"),
            (pem("RSA PRIVATE KEY", &rsa(1024)), "an RSA key of 1024 bits can't be used"),
            (pem("PRIVATE KEY", &pkcs8(&[EC, P256], &ec(&[1; 32]))), "a P-256 key without its public key can't be used"),
            (pem("PRIVATE KEY", &pkcs8(&[&[6, 3, 0x2b, 0x65, 0x71]], &[4, 1, 1])), "an Ed448 key can't be used"),
            (pem("PRIVATE KEY", &[0x30, 0]), "this kind of key can't be used"),
            (pem("ENCRYPTED PRIVATE KEY", &[0x30, 0]), "the key is encrypted"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"
                    .to_owned(),
                "the key is encrypted",
            ),
            (pem("CERTIFICATE", &[0x30, 0]), "holds no private key in PEM"),
            ("0\u{3}".to_owned(), "holds no private key in PEM but DER"),
            (String::new(), "holds no private key in PEM"),
            (rcgen::KeyPair::generate().unwrap().serialize_pem(), "good"),
        ] {
            assert!(told(&pem).starts_with(expected), "{expected}: {}", told(&pem));
        }
    }
}
