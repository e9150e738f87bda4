//! What an id may be, and when two spellings are one id.

use std::borrow::Cow;

/// No platform's id or name is longer; one that is would be a label on the page.
pub(super) const MOST_ID_BYTES: usize = 256;

/// Whether a platform's text can be an id.
pub(super) fn is_id(text: &str) -> bool {
    (1..=MOST_ID_BYTES).contains(&text.len())
}

/// What all spellings of a person's id have in common: it has no ASCII case.
#[must_use]
pub fn person_key(id: &str) -> Cow<'_, str> {
    if id.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(id.to_ascii_lowercase())
    } else {
        Cow::Borrowed(id)
    }
}
