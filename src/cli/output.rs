//! What commands print for the person who started them.
//!
//! Not by `println!` and `eprintln!`, which panic when the reader has closed the pipe, as `head` does, or the disk is
//! full.

use std::fmt::Arguments;
use std::io::{self, Write, stdout};

use anyhow::Context as _;

use super::log::REMARK;

const FAILED: &str = "cannot write to standard output";

/// Writes a line to standard output: a command's answer.
///
/// # Errors
/// What the system says; of a reader that has gone `BrokenPipe`.
pub(super) fn answer(line: Arguments<'_>) -> anyhow::Result<()> {
    writeln!(stdout(), "{line}").context(FAILED)
}

/// Writes `text` to standard output as it is.
///
/// # Errors
/// As of [`answer`].
pub(super) fn answer_with(text: &[u8]) -> anyhow::Result<()> {
    let mut output = stdout().lock();
    output.write_all(text).and_then(|()| output.flush()).context(FAILED)
}

/// Writes a line to standard error: a remark beside the answer. Without a reader it is lost; it never waits for one.
pub(super) fn remark(line: Arguments<'_>) {
    tracing::info!(target: REMARK, "{line}");
}

/// Whether `error` says that the reader of our output has closed the pipe, which is no fault.
#[must_use]
pub fn is_reader_gone(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
