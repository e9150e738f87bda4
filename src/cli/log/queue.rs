//! Lines on their way to standard error: a bounded queue, and a thread of its own that writes them.
//!
//! The reader of standard error may stop reading: a log driver that hangs, a terminal after Ctrl-S. A write then blocks
//! for as long. Here it blocks only this thread, and lines that find no more room are dropped and counted.
//!
//! The crate tracing-appender (0.2.5) does most of this, but panics where the system gives no thread, prints to standard
//! output when its queue is full at the end, never writes how many lines are missing, bounds lines and not bytes, does
//! not count lines that fail to be written, and brings the crates time, symlink and crossbeam-channel.

use std::collections::VecDeque;
use std::io::{self, Write, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tracing_subscriber::fmt::MakeWriter;

/// The room for lines that wait: some two thousand of them.
const MOST_BYTES: usize = 256 * 1024;

/// The queue. Cloning gives another handle to the same one.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue(Arc<QueueState>);

#[derive(Debug, Default)]
struct QueueState {
    state: Mutex<Lines>,
    filled: Condvar,
    drained: Condvar,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<Vec<u8>>,
    /// The size of these lines, and of the one that is being written.
    bytes: usize,
    /// Lines that were dropped since the log last said so.
    untold: u64,
}

impl Queue {
    /// Starts the thread that writes to standard error.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub(super) fn start() -> io::Result<Self> {
        let queue = Self::default();
        let writing = queue.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || writing.write_to(&mut stderr()))?;
        Ok(queue)
    }

    /// The number of lines that were dropped.
    pub(super) fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.0.dropped)
    }

    /// Waits until every line is written, but no longer than `most`.
    pub(super) fn drain(&self, most: Duration) {
        let _ = self.0.drained.wait_while_for(&mut self.0.state.lock(), |state| state.bytes > 0, most);
    }

    /// Takes `line`, or drops it where there is no room. It never waits for standard error.
    fn push(&self, line: &[u8]) {
        let mut state = self.0.state.lock();
        if line.is_empty() {
            return;
        }
        if state.bytes + line.len() > MOST_BYTES {
            state.untold += 1;
            drop(state);
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.bytes += line.len();
        state.lines.push_back(line.to_vec());
        drop(state);
        self.0.filled.notify_one();
    }

    /// Writes lines to `output` for as long as the program runs.
    fn write_to(&self, output: &mut impl Write) {
        loop {
            let line = self.next();
            let written = output.write_all(&line).and_then(|()| output.flush());
            let mut state = self.0.state.lock();
            state.bytes -= line.len();
            let untold = if written.is_ok() { std::mem::take(&mut state.untold) } else { 0 };
            if state.bytes == 0 {
                self.0.drained.notify_all();
            }
            drop(state);
            if written.is_err() {
                // Its reader has gone, or the disk is full. Telling it in the log would fail as well.
                self.0.dropped.fetch_add(1, Ordering::Relaxed);
            }
            if untold > 0 {
                tracing::warn!(lines = untold, "log lines were dropped, as standard error was not read");
            }
        }
    }

    fn next(&self) -> Vec<u8> {
        let mut state = self.0.state.lock();
        loop {
            if let Some(line) = state.lines.pop_front() {
                return line;
            }
            self.0.filled.wait(&mut state);
        }
    }
}

impl Write for Queue {
    /// Takes the whole of `line`: a layer writes each event at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// An output that is read line by line.
    struct Pipe(SyncSender<Vec<u8>>);

    impl Write for Pipe {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.send(line.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A queue whose output waits for each line to be read.
    fn queue() -> (Queue, Receiver<Vec<u8>>) {
        let (sender, receiver) = sync_channel(0);
        let queue = Queue::default();
        let writing = queue.clone();
        thread::spawn(move || writing.write_to(&mut Pipe(sender)));
        (queue, receiver)
    }

    #[test]
    fn lines_are_written_in_their_order_and_waited_for() {
        let (queue, reader) = queue();
        for line in ["a\n", "b\n", "c\n"] {
            queue.push(line.as_bytes());
        }
        let read = thread::spawn(move || reader.into_iter().take(3).flatten().collect::<Vec<u8>>());
        queue.drain(Duration::MAX);
        assert_eq!(read.join().unwrap(), b"a\nb\nc\n");
        assert_eq!(queue.dropped().load(Ordering::Relaxed), 0);
    }

    #[test]
    fn without_a_reader_lines_are_dropped_and_counted_and_nothing_waits() {
        let (queue, reader) = queue();
        let line = vec![b'x'; MOST_BYTES / 4];
        for _ in 0..7 {
            queue.push(&line);
        }
        assert_eq!(queue.dropped().load(Ordering::Relaxed), 3);
        queue.drain(Duration::from_millis(1));
        // There is room again when lines are read.
        assert_eq!(reader.iter().take(4).count(), 4);
        queue.push(b"later");
        assert_eq!(reader.recv().unwrap(), b"later");
    }

    #[test]
    fn a_line_that_cannot_be_written_counts_as_dropped() {
        let (queue, reader) = queue();
        drop(reader);
        queue.push(b"x");
        queue.drain(Duration::MAX);
        queue.push(b"y");
        queue.drain(Duration::MAX);
        assert!(queue.dropped().load(Ordering::Relaxed) >= 1);
    }
}
