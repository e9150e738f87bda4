//! Texts that YAML takes for something else where they stand without quotes.

/// What YAML makes of `text` where it stands without quotes, in words, if that is another text: 31 of `0x1F`, nothing of `~`.
pub(super) fn taken_for(text: &str) -> Option<&'static str> {
    // All that can be anything but a text has these characters only; most ids are recognised without the library.
    let is_suspect = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._~".contains(&byte));
    if !is_suspect || text.parse().is_ok_and(|number: u64| number.to_string() == text) {
        return None;
    }
    match serde_yaml::from_str(text) {
        Ok(serde_yaml::Value::Number(_)) => Some("a number"),
        Ok(serde_yaml::Value::Bool(_)) => Some("true or false"),
        Ok(serde_yaml::Value::Null) => Some("nothing"),
        // Larger than the library keeps.
        Err(_) if text.bytes().any(|byte| byte.is_ascii_digit()) => Some("a number"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_yaml_changes_is_known() {
        for (kind, texts) in [
            ("a number", &["0x1F", "0o17", "0b11", "1e3", "1.0", "+7", "-7", ".inf", "184467440737095516160"][..]),
            ("true or false", &["true", "True", "FALSE"]),
            ("nothing", &["~", "null", ""]),
        ] {
            for text in texts {
                assert_eq!(taken_for(text), Some(kind), "{text}");
            }
        }
        for same in ["7", "007", "0123", "1_000", "no", "yes", "on", "2024-01-01", "18446744073709551615", "zhang.san"]
        {
            assert_eq!(taken_for(same), None, "{same}");
        }
    }
}
