//! The beginning of what somebody wrote, fit for a message.

/// At most this many characters are shown.
const SHOWN: usize = 40;

/// The text, or its beginning, with control characters escaped.
pub(super) fn excerpt(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    short
}
