//! Sends batches, repeats after temporary faults, and keeps credentials out of every message.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use jiff::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use super::Waiting;
use super::receiver::Receiver;
use super::refusal::{ReceiverError, hint, lasting_fault};
use crate::client::words;
use crate::printable::shown;

/// A batch that a receiver does not take is sent again that many times: with growing waits, about ten minutes.
const REPEATS: usize = 24;

/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The longest that a receiver may ask us to wait.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(10);

/// Sends one batch, and again after temporary faults; `waiting` holds the reason meanwhile.
///
/// # Errors
/// [`ReceiverError`].
pub(super) async fn send(receiver: &Receiver, body: &[u8], waiting: &Waiting) -> Result<(), ReceiverError> {
    let delays = ExponentialBuilder::default()
        .with_min_delay(receiver.repeat_delay)
        .with_max_delay(LONGEST_WAIT)
        .with_max_times(REPEATS)
        .with_jitter();
    let sent = (|| post(receiver, body))
        .retry(delays)
        .when(|error| matches!(error, ReceiverError::Unavailable { .. }))
        .notify(|error, wait| {
            let mut waiting = waiting.lock();
            if waiting.is_none() {
                tracing::warn!(seconds = wait.as_secs(), "sending again: {error}");
            }
            let ReceiverError::Unavailable { text, .. } = error else { return };
            *waiting = Some(text.clone());
        })
        .adjust(|error, delay| match error {
            ReceiverError::Unavailable { wait: Some(wait), .. } => delay.map(|_| (*wait).min(LONGEST_RETRY_AFTER)),
            _ => delay,
        })
        .await;
    *waiting.lock() = None;
    sent
}

async fn post(receiver: &Receiver, body: &[u8]) -> Result<(), ReceiverError> {
    let unavailable = |text, wait| ReceiverError::Unavailable { receiver: receiver.name(), text, wait };
    let response = receiver.request(body).send().await.map_err(|error| match lasting_fault(&error) {
        Some(hint) => {
            ReceiverError::Unreachable { receiver: receiver.name(), text: words(error) + &receiver.through(), hint }
        }
        None => unavailable(words(error) + &receiver.through(), None),
    })?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let wait = retry_after(response.headers());
    let text = beginning(receiver, response).await;
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(unavailable(format!("HTTP {}: {text}", status.as_u16()), wait));
    }
    let hint = hint(status.as_u16(), &text);
    Err(ReceiverError::Refused { receiver: receiver.name(), status: status.as_u16(), text, hint })
}

/// The beginning of what the receiver says, for people: it may say more than the memory holds, and repeat what we said.
async fn beginning(receiver: &Receiver, mut response: Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < 4096
        && let Ok(Some(chunk)) = response.chunk().await
    {
        bytes.extend_from_slice(&chunk);
    }
    let text = receiver.scrubbed(&String::from_utf8_lossy(&bytes));
    shown(text.trim(), 200)
}

/// How long the receiver wants us to wait: seconds, or the date that the header may hold instead.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(Timestamp::now())).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::Authorization;
    use super::*;
    use crate::client::Proxies;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let of = |text: &str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]));
        assert_eq!(of("7"), Some(Duration::from_secs(7)));
        assert_eq!(of("Fri, 20 Nov 2020 10:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(of("soon"), None);
    }

    /// A receiver that gives each request this answer, or none.
    async fn receiver(answer: &'static str) -> Receiver {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                // An answer to nothing would break the exchange off.
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                open.push(stream);
            }
        });
        Receiver::new(&url, Authorization::None, Proxies::default(), Duration::from_secs(1)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_receiver_that_hangs_or_asks_for_a_day_ends_in_hours() {
        let busy =
            "HTTP/1.1 503 Service Unavailable\r\nretry-after: 86400\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        for (answer, hours, words) in [("", 1, "no whole answer within timeout"), (busy, 5, "HTTP 503")] {
            let receiver = receiver(answer).await;
            let waiting = Waiting::default();
            let sending = tokio::time::timeout(Duration::from_hours(hours), send(&receiver, b"x", &waiting));
            let error = sending.await.expect(words).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
