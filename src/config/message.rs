//! What the YAML library says, in our words: with file, line, column and key path, and without values that may be
//! secrets.

use super::ConfigError;
use super::keys::{is_secret, unknown};

/// The most characters of a key or value that are repeated.
const SHOWN: usize = 64;

/// The most characters of a whole message: it goes to a log line.
const LONGEST: usize = 1000;

/// A text without control characters: names of files and variables are repeated as they are written, and go to a log.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The beginning of a text of the file, printable and short.
pub(super) fn cut(text: &str) -> String {
    cut_at(text, SHOWN)
}

fn cut_at(text: &str, most: usize) -> String {
    let mut shown = printable(&text.chars().take(most).collect::<String>());
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// A key as it may be repeated: what follows a colon or an equals sign is a value that was written without a space.
pub(super) fn show_key(key: &str) -> String {
    match key.split_once([':', '=']) {
        Some((key, _)) => format!("{}:…", cut(key)),
        None => cut(key),
    }
}

/// Our error for the library's.
pub(super) fn decode_error(file: &str, error: &serde_yaml::Error) -> ConfigError {
    let mut text = error.to_string();
    let (line, column) = error.location().map_or((0, 0), |place| (place.line(), place.column()));
    if line > 0 {
        text = text.replace(&format!(" at line {line} column {column}"), "");
    }
    // The library puts the path first. A path with a space, of a team's name, stays a part of the message.
    let (path, message) = match text.split_once(": ") {
        Some((path, message)) if !path.contains([' ', '`']) => (path, message),
        _ => ("", text.as_str()),
    };
    let mut path = without_secret(path);
    let message = plain(message);
    if let Some((_, rest)) = message.split_once("key `").filter(|(before, _)| ["", "unknown "].contains(before)) {
        let key = rest.split('`').next().unwrap_or_default();
        path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    }
    ConfigError::Decode {
        file: file.to_owned(),
        line,
        column,
        path: cut_at(&path, 4 * SHOWN),
        message: cut_at(&message, LONGEST),
    }
}

/// The path down to the first secret: a map below it may hold the secret as a key.
fn without_secret(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('.') {
        parts.push(part);
        if is_secret(part) {
            break;
        }
    }
    parts.join(".")
}

/// Messages of the library that say nothing to an operator, and what they mean.
const PLAINER: &[(&str, &str)] = &[
    ("recursion limit exceeded", "lists and maps stand too deep in each other"),
    ("repetition limit exceeded", TOO_LARGE),
    (
        "deserializing from YAML containing more than one document is not supported",
        "the file holds more than one document: `---` begins another",
    ),
];

/// What is wrong with a file whose aliases don't end.
pub(super) const TOO_LARGE: &str = "the file is too large once its aliases (`*name`) are followed";

/// The message without values, and with the nearest known key where the library lists fields.
fn plain(message: &str) -> String {
    for prefix in ["invalid type: ", "invalid value: ", "invalid length "] {
        if let Some((found, expected)) = message.strip_prefix(prefix).and_then(|rest| rest.rsplit_once(", expected ")) {
            let expected = if expected == "a string" { "a text" } else { expected };
            return format!("found {}, expected {expected}", kind(found));
        }
    }
    // The field comes first and may hold anything, the known ones last and hold no backtick.
    if let Some((field, known)) =
        message.strip_prefix("unknown field `").and_then(|rest| rest.rsplit_once("`, expected "))
    {
        let known: Vec<_> = known.split('`').skip(1).step_by(2).collect();
        return unknown(field, &known);
    }
    PLAINER.iter().find(|(theirs, _)| *theirs == message).map_or(message, |(_, ours)| ours).to_owned()
}

/// What kind of value the library found, without the value.
fn kind(found: &str) -> &'static str {
    match found.split([' ', '`']).next().unwrap_or_default() {
        "string" | "character" => "a text",
        "integer" => "a whole number",
        "floating" => "a number",
        "boolean" => "true or false",
        "unit" | "Option" => "nothing",
        "map" => "a map",
        "sequence" => "a list",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_repeated() {
        for found in ["string \"hidden, expected x\"", "integer `4711`", "floating point `1.5`", "boolean `true`"] {
            let message = plain(&format!("invalid type: {found}, expected a list"));
            assert!(message.starts_with("found ") && message.ends_with(", expected a list"), "{message}");
            assert!(!message.contains("hidden") && !message.contains("4711"), "{message}");
        }
    }

    #[test]
    fn fields_of_the_library_are_keys_of_ours() {
        for (serde, ours) in [
            (
                "unknown field `userz`, expected `users` or `departments`",
                "mean `users`? known keys here: users, departm",
            ),
            ("unknown field `ownerz`, expected `owners`", "mean `owners`? known keys here: owners"),
            ("unknown field `x`, expected one of `a`, `b`, `c`", "mean `a`? known keys here: a, b, c"),
        ] {
            assert!(plain(serde).contains(ours), "{}", plain(serde));
        }
    }

    #[test]
    fn a_path_ends_with_the_secret() {
        assert_eq!(without_secret("wecom[0].secret.hidden.x"), "wecom[0].secret");
        assert_eq!(without_secret("wecom[0].contact.teams"), "wecom[0].contact.teams");
    }

    #[test]
    fn long_texts_are_cut_and_control_characters_hidden() {
        assert_eq!(cut(&"é".repeat(100)).chars().count(), SHOWN + 1);
        assert_eq!(cut("a\u{1b}[31m\n"), "a?[31m?");
    }
}
