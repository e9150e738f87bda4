//! The bytes of a page: parts that are compressed once, joined to one gzip member per scrape.
//!
//! Several concatenated members would be simpler, but `curl --compressed` fails after the first, and browsers
//! silently show only the first. A raw deflate stream that is ended with a full flush stops at a byte boundary and
//! refers to nothing before it, so such streams can be joined to one; an empty last block finishes it.

use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress};
use hyper::body::Bytes;

use super::format::{self, Format};

/// Level 3 is three times as fast as 6 on such pages and as small.
const LEVEL: u32 = 3;
/// A last block with nothing in it.
const DEFLATE_END: &[u8] = &[3, 0];
/// Magic, deflate, no flags, no time, no extra flags, unknown system.
const GZIP_HEADER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Some families, in both formats and both encodings.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    openmetrics: EncodedPart,
    /// Shares its bytes with `openmetrics` where the two formats agree.
    text: EncodedPart,
}

impl Part {
    /// Compresses families that were rendered as OpenMetrics.
    pub(super) fn new(openmetrics: String) -> Self {
        let text = format::text(&openmetrics).map(EncodedPart::new);
        let openmetrics = EncodedPart::new(openmetrics);
        Self { text: text.unwrap_or_else(|| openmetrics.clone()), openmetrics }
    }

    fn encoded(&self, format: Format) -> &EncodedPart {
        match format {
            Format::OpenMetrics | Format::OpenMetricsDraft => &self.openmetrics,
            Format::Text => &self.text,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct EncodedPart {
    identity: Bytes,
    deflated: Bytes,
    crc: u32,
}

impl EncodedPart {
    fn new(text: String) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        let deflated = deflate(text.as_bytes()).into_boxed_slice();
        Self {
            crc: crc32fast::hash(text.as_bytes()),
            deflated: deflated.into(),
            identity: text.into_bytes().into_boxed_slice().into(),
        }
    }
}

/// The body of an answer to a scrape.
#[derive(Clone, Debug)]
pub struct Scrape {
    /// The bytes, in order; most are shared with all other scrapes.
    pub frames: Vec<Bytes>,
    /// How many bytes these are.
    pub length: usize,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
}

impl Scrape {
    /// Joins `parts`.
    pub(super) fn new(format: Format, gzip: bool, parts: &[&Part]) -> Self {
        let parts = parts.iter().map(|part| part.encoded(format)).filter(|part| !part.identity.is_empty());
        let frames = if gzip { member(parts) } else { parts.map(|part| part.identity.clone()).collect() };
        let length = frames.iter().map(Bytes::len).sum();
        Self { frames, length, content_type: format.content_type() }
    }

    /// The body in one piece.
    #[must_use]
    pub fn concat(&self) -> Vec<u8> {
        self.frames.concat()
    }
}

fn member<'a>(parts: impl Iterator<Item = &'a EncodedPart>) -> Vec<Bytes> {
    let mut crc = Hasher::new();
    let mut length = 0;
    let mut frames = vec![Bytes::from_static(GZIP_HEADER)];
    for part in parts {
        crc.combine(&Hasher::new_with_initial_len(part.crc, part.identity.len() as u64));
        length += part.identity.len();
        frames.push(part.deflated.clone());
    }
    let mut end = DEFLATE_END.to_vec();
    end.extend(crc.finalize().to_le_bytes());
    // The format keeps the length modulo 2^32.
    end.extend((length as u32).to_le_bytes());
    frames.push(end.into());
    frames
}

/// `bytes` as a raw deflate stream that ends with a full flush.
fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut stream = Compress::new(Compression::new(LEVEL), false);
    let mut deflated = Vec::with_capacity(bytes.len() / 8 + 256);
    loop {
        let consumed = usize::try_from(stream.total_in()).unwrap_or(usize::MAX).min(bytes.len());
        stream.compress_vec(&bytes[consumed..], &mut deflated, FlushCompress::Full).expect("its parameters are right");
        // A flush is over once it leaves room.
        if deflated.len() < deflated.capacity() && stream.total_in() == bytes.len() as u64 {
            return deflated;
        }
        deflated.reserve(deflated.capacity().max(256));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn joined(texts: &[String]) -> (Vec<u8>, String) {
        let parts: Vec<_> = texts.iter().cloned().map(Part::new).collect();
        let scrape = Scrape::new(Format::OpenMetrics, true, &parts.iter().collect::<Vec<_>>());
        let body = scrape.concat();
        assert_eq!(body.len(), scrape.length);
        let mut rest = body.as_slice();
        let mut decoded = String::new();
        flate2::bufread::GzDecoder::new(&mut rest).read_to_string(&mut decoded).unwrap();
        (rest.to_vec(), decoded)
    }

    #[test]
    fn streams_of_any_length_join_to_one_member() {
        let letters = |length: usize| (0..length).map(|_| fastrand::alphanumeric()).collect::<String>();
        for length in [0, 1, 255, 2_000, 300_000] {
            let texts = [letters(length), String::new(), "a 1\n".repeat(length), letters(length / 3)];
            let (rest, decoded) = joined(&texts);
            assert!(rest.is_empty(), "one member is the whole body");
            assert_eq!(decoded, texts.concat());
        }
    }

    proptest::proptest! {
        #[test]
        fn any_parts_join_to_one_member(texts in proptest::collection::vec(".{0,300}", 0..8)) {
            let (rest, decoded) = joined(&texts);
            proptest::prop_assert!(rest.is_empty(), "one member is the whole body");
            proptest::prop_assert_eq!(decoded, texts.concat());
        }
    }
}
