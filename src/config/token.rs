//! A token from outside as it is written, and as it is used.

use std::path::{Path, PathBuf};

use reqwest::header::HeaderName;
use secrecy::{ExposeSecret, SecretString};

use super::units;
use crate::platform::{Secret, TokenSource};
use crate::yaml::{Each, Group, Key, Slot, Words};

const FILE: &str = "file";
const COMMAND: &str = "command";
const URL: &str = "url";
const HEADER: &str = "header";
const TOKEN_AT: &str = "token_at";
const EXPIRES_AT: &str = "expires_at";

/// The most headers of a request for a token.
const MOST_HEADERS: usize = 16;

/// `{file: PATH}`, `{command: [PROGRAM, ARG]}` or `{url: URL, ..}`.
#[derive(Debug, Default)]
pub(super) struct WrittenToken {
    file: Option<PathBuf>,
    /// The program and its arguments.
    command: Vec<String>,
    url: Option<SecretString>,
    headers: Headers,
    token_at: Option<String>,
    expires_at: Option<String>,
    /// The keys that are present.
    present: Vec<&'static str>,
}

#[derive(Debug, Default)]
struct Headers(Vec<(String, Option<Secret>)>);

impl Each for Headers {
    fn entry(&mut self, name: &str) -> Slot<'_> {
        self.0.push((name.to_owned(), None));
        Slot::Secret(&mut self.0.last_mut().expect("a header was pushed").1)
    }
}

impl Group for WrittenToken {
    fn shape(&self) -> String {
        "{file: PATH}, {command: [PROGRAM, ARG]} or {url: URL, header: {NAME: SECRET}, token_at: /access_token, expires_at: \
         /expires_in}"
            .to_owned()
    }

    fn keys(&mut self) -> Vec<Key<'_>> {
        let command = |words| match words {
            Words::List(command) if !command.is_empty() => Ok(command),
            _ => Err("a command is a list of the program and its arguments".to_owned()),
        };
        vec![
            Key::text(FILE, &mut self.file, |path| units::id(path).map(PathBuf::from)),
            Key::words(COMMAND, "a list of the program and its arguments", &mut self.command, command),
            Key::text(URL, &mut self.url, |url| Ok(url.into())),
            Key::of(
                HEADER,
                Slot::Named("a map of headers, such as {Authorization: SECRET}".to_owned(), &mut self.headers),
            ),
            Key::text(TOKEN_AT, &mut self.token_at, pointer),
            Key::text(EXPIRES_AT, &mut self.expires_at, pointer),
        ]
    }

    fn finish(&mut self, present: &[&'static str], path: &str, faults: &mut Vec<String>) {
        self.present = present.to_vec();
        let ways: Vec<_> = present.iter().copied().filter(|key| [FILE, COMMAND, URL].contains(key)).collect();
        match &ways[..] {
            [URL] if !present.contains(&TOKEN_AT) => faults.push(format!(
                "{path}.{TOKEN_AT}: it is missing: the JSON pointer of the token in the answer, such as /access_token"
            )),
            [URL] => {}
            [way] => {
                let of_url = present.iter().filter(|key| *key != way);
                faults.extend(of_url.map(|key| format!("{path}.{key}: it belongs to a {URL}, and this is a {way}")));
            }
            [] => faults.push(format!("{path}: one of {FILE}, {COMMAND} and {URL} is missing")),
            _ => faults.push(format!("{path}: write one of {FILE}, {COMMAND} and {URL}, not {}", ways.join(" and "))),
        }
    }
}

/// Reads a JSON pointer.
fn pointer(text: &str) -> Result<String, String> {
    if text.starts_with('/') {
        units::id(text)
    } else {
        Err("it is a JSON pointer, which begins with a slash, such as /access_token or /data/access_token".to_owned())
    }
}

impl WrittenToken {
    /// The file that it is in, as it was written.
    pub(super) fn file(&self) -> Option<&PathBuf> {
        self.file.as_ref()
    }

    /// Whether there is one, whether it could be read or not.
    pub(super) fn is_written(&self) -> bool {
        !self.present.is_empty()
    }

    /// The path of the first header whose secret is inline in the file.
    pub(super) fn first_inline(&self, path: &str) -> Option<String> {
        let inline = self.headers.0.iter().find(|(_, secret)| matches!(secret, Some(Secret::Inline(_))))?;
        Some(format!("{path}.{HEADER}.{}", inline.0))
    }

    /// Where the token at `path` comes from, with names of files relative to `folder`; `secret` reads a header's
    /// secret at a path and tells what is wrong with it. What was wrong before gives `None`.
    pub(super) fn source(
        self,
        path: &str,
        folder: &Path,
        insecure_http: bool,
        faults: &mut Vec<String>,
        mut secret: impl FnMut(Secret, &str, &mut Vec<String>) -> Option<Secret>,
    ) -> Option<TokenSource> {
        if let Some(file) = self.file {
            return Some(TokenSource::File(folder.join(file)));
        }
        if let Some((program, arguments)) = self.command.split_first() {
            // A bare name is looked up in PATH.
            let is_path = program.contains('/');
            let program = if is_path { folder.join(program) } else { PathBuf::from(program) };
            return Some(TokenSource::Command { program, arguments: arguments.to_vec() });
        }
        let (url, token_at) = (self.url?, self.token_at?);
        let shown = match units::token_url(url.expose_secret(), insecure_http) {
            Ok(shown) => shown,
            Err(why) => {
                faults.push(format!("{path}.{URL}: {why}"));
                return None;
            }
        };
        if self.headers.0.len() > MOST_HEADERS {
            faults.push(format!("{path}.{HEADER}: more than {MOST_HEADERS} headers"));
        }
        let mut headers = Vec::new();
        for (n, (name, value)) in self.headers.0.into_iter().enumerate() {
            if HeaderName::from_bytes(name.as_bytes()).is_err() {
                // It may be the secret.
                faults.push(format!("{path}.{HEADER}: the name of header {} can't be one", n + 1));
                continue;
            }
            let value = secret(value?, &format!("{path}.{HEADER}.{name}"), faults)?;
            headers.push((name, value));
        }
        Some(TokenSource::Url { url, shown, headers, token_at, expires_at: self.expires_at })
    }
}
