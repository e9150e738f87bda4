//! Envelopes, refusals and tokens: the first byte is the platform, the next two the HTTP status, the rest the body.
#![no_main]

use imstats_exporter::platform::{Reply, PLATFORMS};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [platform, high, low, body @ ..] = data else { return };
    let platform = PLATFORMS[usize::from(*platform) % PLATFORMS.len()];
    let status = u16::from_be_bytes([*high, *low]);
    let Ok(body) = serde_json::from_slice(body) else { return };
    let reply = Reply { status, reset: None, body };
    if let Err(refusal) = platform.judge(&reply) {
        let told = refusal.to_string();
        assert!(told.chars().count() < 500 && !told.chars().any(char::is_control), "{told:?}");
    }
    let now = Timestamp::from_second(1_790_000_000).unwrap();
    if let Ok(token) = platform.token(&reply.body, now) {
        assert!(token.renew <= token.expires && token.expires >= now);
    }
});
