//! Programs of others, by which ours is judged.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Tells whether the program `name` is there; with `IMSTATS_REQUIRE_TOOLS` set, as in the gate, it has to be.
pub(crate) fn has(name: &str) -> bool {
    let found =
        std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()));
    let required = std::env::var_os("IMSTATS_REQUIRE_TOOLS").is_some();
    assert!(found || !required, "{name} is not installed; see .ci/run");
    if !found {
        println!("skipped, as {name} is not installed");
    }
    found
}

/// What `name` prints, and whether it was content.
pub(crate) async fn run(name: &'static str, arguments: Vec<String>, input: Option<PathBuf>) -> (bool, String) {
    let run = move || {
        let input = input.map_or_else(Stdio::null, |path| std::fs::File::open(path).unwrap().into());
        let output = Command::new(name).args(&arguments).stdin(input).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// Opens `url` in a browser without a window, which keeps its files in `folder`; gives what it prints.
pub(crate) async fn browse(folder: &Path, more: &[&str], url: &str) -> String {
    // The sandbox does not work for root, as which gates run; the page is our own.
    let fixed = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"];
    let mut arguments: Vec<String> = fixed.iter().chain(more).map(|word| (*word).to_owned()).collect();
    arguments.push(format!("--user-data-dir={}", folder.display()));
    arguments.push(url.to_owned());
    let (content, printed) = run("chromium", arguments, None).await;
    assert!(content, "{printed}");
    printed
}
