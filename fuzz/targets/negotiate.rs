//! `Accept` and `Accept-Encoding`, a header a line: the first byte of a line says which.
#![no_main]

use hyper::HeaderMap;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderValue};
use libfuzzer_sys::fuzz_target;

/// What the file of the program names, which no other can see.
mod exposition {
    pub(crate) use imstats_exporter::exposition::Format;
}

#[path = "../../src/http/negotiate.rs"]
mod negotiate;

fuzz_target!(|data: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let Some((choice, value)) = line.split_first() else { continue };
        let name = if choice % 2 == 0 { ACCEPT } else { ACCEPT_ENCODING };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    let _ = negotiate::format(&headers);
    let gzip = negotiate::gzip(&headers);
    assert!(gzip.is_some() || headers.contains_key(ACCEPT_ENCODING));
});
