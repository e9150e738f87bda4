//! `--web.config.file`: any file is one, or is refused in words.
#![no_main]

use std::cell::RefCell;
use std::fs::File;
use std::io::{Seek, Write};

use imstats_exporter::http::WebConfig;
use libfuzzer_sys::fuzz_target;
use tempfile::NamedTempFile;

thread_local! {
    static FILE: RefCell<NamedTempFile> = RefCell::new(NamedTempFile::new_in("/dev/shm").unwrap());
}

fuzz_target!(init: { let _ = rustls::crypto::ring::default_provider().install_default(); }, |data: &[u8]| {
    FILE.with_borrow_mut(|file| {
        let handle: &mut File = file.as_file_mut();
        handle.set_len(0).unwrap();
        handle.rewind().unwrap();
        handle.write_all(data).unwrap();
        if let Err(error) = WebConfig::load(file.path()) {
            let told = error.to_string();
            assert!(!told.is_empty() && told.len() < 4096, "{told:?}");
        }
    });
});
