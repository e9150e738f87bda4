//! A server that gives one answer to everything and keeps what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request's head and body.
pub(crate) type Request = (String, String);

pub(crate) struct Recorder {
    base: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Recorder {
    /// Answers everything with `json`, until the test ends.
    pub(crate) async fn start(json: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let kept = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                answer(stream, json, &kept).await;
            }
        });
        Self { base, requests }
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn last(&self) -> Request {
        self.requests.lock().unwrap().last().unwrap().clone()
    }
}

async fn answer(mut stream: TcpStream, json: &str, requests: &Mutex<Vec<Request>>) {
    let mut text = String::new();
    let (head, length) = loop {
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).await.unwrap();
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                break (head.to_owned(), length.unwrap_or(0));
            }
        }
    };
    let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{json}", json.len());
    // First kept, then answered: whoever has the answer finds the request.
    let body = text[head.len() + 4..][..length].to_owned();
    requests.lock().unwrap().push((head, body));
    stream.write_all(answer.as_bytes()).await.unwrap();
}
