//! Characters that look like others: what word processors and web pages put in place of blanks, hyphens and quotes.

/// Such a character, what it is called, and what was meant.
const LOOKALIKES: &[(char, &str, &str)] = &[
    ('\u{a0}', "a no-break space", "a blank"),
    ('\u{2007}', "a figure space", "a blank"),
    ('\u{202f}', "a narrow no-break space", "a blank"),
    ('\u{3000}', "an ideographic space", "a blank"),
    ('\u{ad}', "a soft hyphen", "nothing"),
    ('\u{200b}', "a zero-width space", "nothing"),
    ('\u{200e}', "a left-to-right mark", "nothing"),
    ('\u{feff}', "a byte order mark", "nothing"),
    ('\u{2010}', "a typographic hyphen", "`-`"),
    ('\u{2011}', "a no-break hyphen", "`-`"),
    ('\u{2012}', "a figure dash", "`-`"),
    ('\u{2013}', "an en dash", "`-` or `--`"),
    ('\u{2014}', "an em dash", "`--`"),
    ('\u{2212}', "a minus sign", "`-`"),
    ('\u{2018}', "a typographic quote", "`'`"),
    ('\u{2019}', "a typographic quote", "`'`"),
    ('\u{201c}', "a typographic quote", "`\"`"),
    ('\u{201d}', "a typographic quote", "`\"`"),
    ('\u{ff0c}', "a full-width comma", "`,`"),
    ('\u{ff1a}', "a full-width colon", "`:`"),
];

/// A character in a text that is probably not meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lookalike {
    /// Where it begins.
    pub(super) offset: usize,
    pub(super) character: char,
    name: &'static str,
    meant: &'static str,
}

/// The first such character in the text.
pub(super) fn find(text: &str) -> Option<Lookalike> {
    text.char_indices().filter(|(_, character)| !character.is_ascii()).find_map(|(offset, character)| {
        let (_, name, meant) = LOOKALIKES.iter().find(|(known, ..)| *known == character)?;
        Some(Lookalike { offset, character, name, meant })
    })
}

/// What to say of a text that cannot be read because of such a character.
pub(super) fn hint(text: &str) -> Option<String> {
    find(text).map(|found| format!("it holds {found}"))
}

/// The name of the character, its number and what to type for it.
impl std::fmt::Display for Lookalike {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Lookalike { character, name, meant, .. } = *self;
        write!(f, "{name} (U+{:04X}); type {meant} in its place", u32::from(character))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_character_and_what_was_meant() {
        assert_eq!(
            hint("7000,\u{a0}8000").unwrap(),
            "it holds a no-break space (U+00A0); type a blank in its place"
        );
        assert_eq!(
            hint("\u{2010}A").unwrap(),
            "it holds a typographic hyphen (U+2010); type `-` in its place"
        );
        assert_eq!(hint("7000, 8000-ä→门"), None);
    }
}
