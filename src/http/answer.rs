//! Answers, and bodies that are made of shared bytes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

/// What every handler gives.
pub(super) type Answer = Response<Frames>;

/// A body of known length that sends its frames as they are.
#[derive(Debug)]
pub(super) struct Frames(VecDeque<Bytes>);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|bytes| bytes.len() as u64).sum())
    }
}

/// A body of these frames.
pub(super) fn frames(content_type: &'static str, frames: Vec<Bytes>) -> Answer {
    let mut answer = Response::new(Frames(frames.into()));
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
