//! Blanks: the characters that stand around names and values without being part of them.

/// Whether this is a blank, as C's `isspace` has it; others, such as a no-break space, are part of the text.
pub(super) fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

/// The text without the blanks around it, and how many bytes of blanks stand before it.
pub(super) fn trim(text: &str) -> (usize, &str) {
    let rest = text.trim_start_matches(is_blank);
    (text.len() - rest.len(), rest.trim_end_matches(is_blank))
}
