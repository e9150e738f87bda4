//! Texts for people: those of others as they may be repeated on a terminal, in a log or on a page, and numbers of things.

use std::fmt::Display;

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

/// Whether `c` may be shown: not a control or format character nor a separator of lines, which hide, turn around or break
/// the text around them.
#[must_use]
pub fn is_printable(c: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator};
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    !matches!(category, Control | Format | LineSeparator | ParagraphSeparator)
}

/// `text` with a question mark for each character that may not be shown.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_printable(c) { c } else { '?' }).collect()
}

/// The first `most` characters of `text` that may be shown.
#[must_use]
pub fn shown(text: &str, most: usize) -> String {
    text.chars().filter(|c| is_printable(*c)).take(most).collect()
}

/// How many of something: `1 source`, `2 sources`.
#[must_use]
pub fn count<N: Copy + Display + PartialEq + From<u8>>(number: N, one: &str, many: &str) -> String {
    format!("{number} {}", if number == N::from(1) { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_or_turns_text_is_not_shown() {
        for hidden in ['\n', '\u{1b}', '\0', '\u{85}', '\u{ad}', '\u{200b}', '\u{202e}', '\u{2066}', '\u{feff}'] {
            assert_eq!(printable(&format!("a{hidden}b")), "a?b", "{hidden:?}");
            assert_eq!(shown(&format!("a{hidden}b"), 2), "ab", "{hidden:?}");
        }
        for text in ["张三\u{3000}（销售）", "Zoë", "e\u{301}", "🙂", "\u{a0}"] {
            assert_eq!(printable(text), text);
        }
        assert_eq!(printable("\u{2028}\u{2029}\u{e0041}"), "???");
    }
}
