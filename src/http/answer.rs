//! Answers, and bodies that are made of shared bytes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Buf, Bytes, Frame, SizeHint};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

/// What every handler gives.
pub(super) type Answer = Response<Frames>;

/// A body of known length.
#[derive(Debug)]
pub(super) struct Frames(Option<Rope>);

/// Pieces that are sent as they are, in as few writes as the socket takes. (As frames of their own they would be
/// flushed one by one behind the first 400 kB.)
#[derive(Debug)]
pub(super) struct Rope {
    /// None of them is empty.
    pieces: VecDeque<Bytes>,
    left: usize,
}

impl Rope {
    fn new(mut pieces: VecDeque<Bytes>) -> Self {
        pieces.retain(|piece| !piece.is_empty());
        Self { left: pieces.iter().map(Bytes::len).sum(), pieces }
    }
}

impl Buf for Rope {
    fn remaining(&self) -> usize {
        self.left
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = slices.iter_mut().zip(&self.pieces);
        filled.map(|(slice, piece)| *slice = IoSlice::new(piece)).count()
    }

    fn advance(&mut self, mut count: usize) {
        self.left -= count;
        while let Some(piece) = self.pieces.front_mut() {
            if count < piece.len() {
                piece.advance(count);
                return;
            }
            count -= piece.len();
            self.pieces.pop_front();
        }
    }
}

impl Body for Frames {
    type Data = Rope;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Rope>, Infallible>>> {
        Poll::Ready(self.0.take().map(|rope| Ok(Frame::data(rope))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |rope| rope.left as u64))
    }
}

/// A body of these frames.
pub(super) fn frames(content_type: &'static str, frames: Vec<Bytes>) -> Answer {
    let mut answer = Response::new(Frames(Some(Rope::new(frames.into()))));
    set(&mut answer, CONTENT_TYPE, content_type);
    answer
}

/// A body that changes from moment to moment, and so is not to be kept.
pub(super) fn fresh(content_type: &'static str, body: String) -> Answer {
    let mut answer = frames(content_type, vec![body.into()]);
    set(&mut answer, CACHE_CONTROL, "no-store");
    answer
}

/// A line of text.
pub(super) fn line(status: StatusCode, words: &str) -> Answer {
    let mut answer = fresh("text/plain; charset=utf-8", format!("{words}\n"));
    *answer.status_mut() = status;
    answer
}

/// Sets a header.
pub(super) fn set(answer: &mut Answer, name: HeaderName, value: &'static str) {
    answer.headers_mut().insert(name, HeaderValue::from_static(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rope_gives_its_pieces_in_any_portions() {
        let pieces: [&[u8]; 5] = [b"", b"abc", b"", b"d", b"efgh"];
        for portion in 1..9 {
            let mut rope = Rope::new(pieces.into_iter().map(Bytes::from_static).collect());
            let mut read = Vec::new();
            while rope.has_remaining() {
                let chunk = rope.chunk();
                let count = chunk.len().min(portion);
                read.extend_from_slice(&chunk[..count]);
                rope.advance(count);
            }
            assert_eq!(read, b"abcdefgh", "{portion}");
        }
        let mut rope = Rope::new(pieces.into_iter().map(Bytes::from_static).collect());
        rope.advance(4);
        let mut slices = [IoSlice::new(&[]); 3];
        assert_eq!(rope.chunks_vectored(&mut slices), 1);
        assert_eq!(&*slices[0], b"efgh");
        rope.advance(4);
        assert!(rope.chunk().is_empty());
    }
}
