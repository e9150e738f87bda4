//! The other process: the platforms, and those who scrape.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::ChildStdout;
use std::time::Duration;

use imstats_exporter::day::Clock;
use imstats_exporter::simulator::{Options, Simulator};
use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Failure;

/// The line after the configuration.
const END: &str = "# end";

/// How often each client scrapes; every tenth reads its page byte by byte, and never to its end.
const SCRAPE_EVERY: Duration = Duration::from_secs(15);
const SLOW: usize = 10;

/// Simulates the platforms of a company, and obeys the words on standard input until these end.
pub(crate) async fn run(users: u32, start: Timestamp) -> Result<(), Failure> {
    let clock = Clock::manual(start);
    let simulator = Simulator::start("127.0.0.1:0".parse()?, Options::new(users, clock.clone())).await?;
    writeln!(std::io::stdout(), "{}{END}", simulator.configuration())?;
    let runtime = tokio::runtime::Handle::current();
    let obeying = tokio::task::spawn_blocking(move || {
        for line in std::io::stdin().lock().lines() {
            let line = line?;
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["time", millis] => clock.set(Timestamp::from_millisecond(millis.parse()?)?),
                ["scrape", count, address] => {
                    let (count, address): (usize, SocketAddr) = (count.parse()?, address.parse()?);
                    for n in 0..count {
                        runtime.spawn(scrape(address, n));
                    }
                }
                _ => return Err(format!("what is {line}?").into()),
            }
        }
        Ok::<_, Failure>(())
    });
    obeying.await?
}

/// What that process says first.
pub(crate) fn configuration(stdout: ChildStdout) -> Result<String, Failure> {
    let mut text = String::new();
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        if line == END {
            return Ok(text);
        }
        text += &line;
        text += "\n";
    }
    Err("the platforms did not start".into())
}

/// Scrapes again and again.
async fn scrape(address: SocketAddr, n: usize) {
    tokio::time::sleep(SCRAPE_EVERY * (n as u32 % 100) / 100).await;
    loop {
        let pause = tokio::time::sleep(SCRAPE_EVERY);
        if let Ok(mut stream) = TcpStream::connect(address).await {
            let ask = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n";
            let _ = stream.write_all(ask).await;
            if n.is_multiple_of(SLOW) {
                let mut byte = [0];
                while matches!(stream.read(&mut byte).await, Ok(1)) {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            } else {
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            }
        }
        pause.await;
    }
}
