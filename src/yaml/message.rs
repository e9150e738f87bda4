//! What the YAML library says, in our words: with file, line, column and key path, and without values that may be
//! secrets.

use super::YamlError;
use crate::printable::printable;

/// The most characters of a key or value that are repeated.
const SHOWN: usize = 64;

/// The most characters of a whole message: it goes to a log line.
const LONGEST: usize = 1000;

/// The beginning of a text of the file, printable and short.
pub(crate) fn cut(text: &str) -> String {
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

/// Says that `key` is unknown, and which of `known` was probably meant.
pub(super) fn unknown(key: &str, known: &[&str]) -> String {
    let shown = show_key(key);
    let near = nearest(&shown, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    let hint = if key.contains(':') { "; a colon is followed by a space" } else { "" };
    let end = if near.is_empty() { ";" } else { "" };
    format!("unknown key `{shown}`{hint}{near}{end} known keys here: {}", known.join(", "))
}

/// The one of `known` that is at most a third of its letters away from `key`.
fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |known: &str| strsim::damerau_levenshtein(&key.to_lowercase(), known);
    let near = known.iter().map(|known| (distance(known), *known)).min()?;
    (near.0 <= 1.max(near.1.len() / 3)).then_some(near.1)
}

/// Our error for the library's about `text`, which arose at the key `wrong_key` where that is known; nothing below one of
/// the keys `secrets` is repeated.
pub(super) fn decode_error(
    file: &str,
    text: &str,
    error: &serde_yaml::Error,
    wrong_key: Option<&str>,
    secrets: &[&str],
) -> YamlError {
    let mut said = error.to_string();
    let (line, column) = error.location().map_or((0, 0), |place| (place.line(), place.column()));
    if line > 0 {
        said = said.replace(&format!(" at line {line} column {column}"), "");
    }
    // The library puts the path first. A path with a space, of a team's name, stays a part of the message.
    let (path, message) = match said.split_once(": ") {
        Some((path, message)) if !path.contains([' ', '`']) => (path, message),
        _ => ("", said.as_str()),
    };
    let mut path = without_secret(path, secrets);
    let (message, field) = match layout(message, text.lines().nth(line.saturating_sub(1)).unwrap_or_default()) {
        Some(message) => (message.to_owned(), None),
        None => plain(message),
    };
    if let Some(key) = wrong_key.or(field.as_deref()) {
        path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    }
    YamlError {
        file: file.to_owned(),
        line,
        column,
        path: cut_at(&path, 4 * SHOWN),
        message: cut_at(&message, LONGEST),
    }
}

/// The path down to the first secret: a map below it may hold the secret as a key.
fn without_secret(path: &str, secrets: &[&str]) -> String {
    let mut parts = Vec::new();
    for part in path.split('.') {
        parts.push(part);
        if secrets.contains(&part) {
            break;
        }
    }
    parts.join(".")
}

/// Messages of the library that say nothing to an operator, and what they mean.
const PLAINER: &[(&str, &str)] = &[
    ("recursion limit exceeded", "lists and maps are nested too deep"),
    ("repetition limit exceeded", TOO_LARGE),
    (
        "deserializing from YAML containing more than one document is not supported",
        "the file holds more than one document: `---` begins another",
    ),
];

/// What the library says of a file whose lines don't fit together, by the beginning, and what is wrong.
const LAYOUT: &[(&str, &str)] = &[
    (
        "did not find expected '-' indicator",
        "the indentation does not fit: the entries of a list begin with `- `, in one column",
    ),
    ("did not find expected key", "the indentation does not fit: the keys of a map begin in one column"),
    (
        "mapping values are not allowed",
        "a key where none can be: the keys of a map begin in one column, and a text with `: ` in it is put in quotes",
    ),
    ("found character that cannot start any token", "a text that begins with this character is put in quotes"),
];

/// What is wrong with the layout of `line`, of which the library says `message`.
fn layout(message: &str, line: &str) -> Option<&'static str> {
    let indentation = &line[..line.len() - line.trim_start().len()];
    let is_about_layout = LAYOUT.iter().find(|(theirs, _)| message.starts_with(theirs));
    if message.starts_with("found a tab") || (is_about_layout.is_some() && indentation.contains('\t')) {
        return Some("a tab: YAML indents with spaces");
    }
    is_about_layout.map(|(_, ours)| *ours)
}

/// The fault of a file whose aliases expand without end.
pub(super) const TOO_LARGE: &str = "the file is too large once its aliases (`*name`) are followed";

/// The message without values; where the library lists fields, with the nearest known one, and the field itself.
fn plain(message: &str) -> (String, Option<String>) {
    for prefix in ["invalid type: ", "invalid value: ", "invalid length "] {
        if let Some((found, expected)) = message.strip_prefix(prefix).and_then(|rest| rest.rsplit_once(", expected ")) {
            let expected = if expected == "a string" { "a text" } else { expected };
            return (format!("found {}, expected {expected}", kind(found)), None);
        }
    }
    // The field comes first and may hold anything, the known ones last and hold no backtick.
    if let Some((field, known)) =
        message.strip_prefix("unknown field `").and_then(|rest| rest.rsplit_once("`, expected "))
    {
        let known: Vec<_> = known.split('`').skip(1).step_by(2).collect();
        return (unknown(field, &known), Some(show_key(field)));
    }
    let plainer = PLAINER.iter().find(|(theirs, _)| *theirs == message);
    (plainer.map_or(message, |(_, ours)| ours).to_owned(), None)
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
        for (found, kind) in [
            ("string \"hidden, expected x\"", "a text"),
            ("integer `4711`", "a whole number"),
            ("floating point `1.5`", "a number"),
            ("boolean `true`", "true or false"),
            ("unit value", "nothing"),
            ("map", "a map"),
            ("byte array", "something else"),
        ] {
            let (message, _) = plain(&format!("invalid type: {found}, expected a list"));
            assert!(message.starts_with(&format!("found {kind}, ")), "{found}: {message}");
            assert!(message.ends_with(", expected a list"), "{found}: {message}");
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
            let (message, field) = plain(serde);
            assert!(message.contains(ours), "{message}");
            assert!(field.is_some_and(|field| serde.contains(&format!("`{field}`"))), "{message}");
        }
    }

    #[test]
    fn a_path_ends_with_the_secret() {
        assert_eq!(without_secret("wecom[0].secret.hidden.x", &["secret"]), "wecom[0].secret");
        assert_eq!(without_secret("wecom[0].contact.teams", &["secret"]), "wecom[0].contact.teams");
    }

    #[test]
    fn long_texts_are_cut_and_control_characters_hidden() {
        assert_eq!(cut(&"é".repeat(100)).chars().count(), SHOWN + 1);
        assert_eq!(cut("a\u{1b}[31m\n"), "a?[31m?");
    }

    #[test]
    fn the_nearest_key_is_told_and_a_far_one_is_not() {
        let known = ["users", "departments", "teams"];
        assert_eq!(
            unknown("userz", &known),
            "unknown key `userz`; did you mean `users`? known keys here: users, departments, teams"
        );
        assert_eq!(unknown("zzz", &known), "unknown key `zzz`; known keys here: users, departments, teams");
        assert!(unknown("Teams", &known).contains("mean `teams`"));
    }

    #[test]
    fn a_layout_that_does_not_fit_is_told_in_words() {
        let told = |text: &str| super::super::read::<serde_yaml::Value>(text, "f").unwrap_err().to_string();
        for (text, says) in [
            ("a:\n\t- b\n", "f:2:1: a tab: YAML indents with spaces"),
            ("a:\n  - b: 1\n\t  c: 2\n", "f:3:1: a tab: YAML indents with spaces"),
            ("a:\n  - b: 1\n   c: 2\n", "f:3:4: the indentation does not fit: the entries of a list"),
            ("a:\n- b: 1\n c: 2\n", "f:3:2: the indentation does not fit: the keys of a map"),
            ("a:\n  b: 1\n    c: 2\n", "f:3:6: a key where none can be"),
            ("a: @b\n", "f:1:4: a text that begins with this character is put in quotes"),
        ] {
            assert!(told(text).starts_with(says), "{text}: {}", told(text));
        }
    }

    #[test]
    fn a_value_that_sticks_to_its_key_is_not_repeated() {
        let message = unknown("secret:hidden", &["secret"]);
        assert!(message.contains("followed by a space") && !message.contains("hidden"), "{message}");
    }
}
