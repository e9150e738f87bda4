//! The error of TLS inside an error of the HTTP library.

use std::error::Error;
use std::io;

/// The error of TLS that `error` comes from, if any: errors of input and output hide theirs from [`Error::source`].
pub(crate) fn tls_cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.and_then(|inner| tls_cause(inner)).or_else(|| error.source().and_then(tls_cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_behind_errors_of_input_and_output() {
        let fault = rustls::Error::DecryptError;
        let nested = io::Error::other(io::Error::other(fault.clone()));
        assert_eq!(tls_cause(&nested), Some(&fault));
        assert_eq!(tls_cause(&io::Error::other("text")), None);
    }
}
