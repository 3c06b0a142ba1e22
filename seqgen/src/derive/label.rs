//! What tells the hosts apart that share a key.

use std::fmt;

/// How many bytes a label may have.
pub const MAX_LABEL: usize = 255;

/// A name, as a rule a host's, for which a key is made of the whole key; the default is the empty one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(String);

impl Label {
    /// A label of this text, exactly as it is.
    pub fn new(text: &str) -> Result<Label, LabelError> {
        if text.len() > MAX_LABEL {
            return Err(LabelError::TooLong { bytes: text.len() });
        }
        match text.chars().position(char::is_control) {
            Some(before) => Err(LabelError::Control { position: before + 1 }),
            None => Ok(Label(text.to_owned())),
        }
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Label, LabelError> {
        Label::new(text)
    }
}

/// Why a text is no label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// It has more than [`MAX_LABEL`] bytes.
    #[error("a label has at most {MAX_LABEL} bytes, not {bytes}")]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// It has a control character.
    #[error("a label has no control characters, but character {position} is one")]
    Control {
        /// Which one it is, from 1.
        position: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_text_of_up_to_255_bytes() {
        for text in ["", "gate", " a ", "Türe: № 5", &"x".repeat(255)] {
            assert_eq!(Label::new(text).unwrap().as_str(), text);
        }
        assert_eq!(Label::default(), Label::new("").unwrap());
        assert_eq!(Label::new(&"x".repeat(256)), Err(LabelError::TooLong { bytes: 256 }));
        assert_eq!(Label::new(&"ü".repeat(128)), Err(LabelError::TooLong { bytes: 256 }));
    }

    #[test]
    fn has_no_control_characters() {
        for (text, position) in [("\n", 1), ("ü\u{7f}", 2), ("ab\u{85}", 3), ("\0", 1)] {
            assert_eq!(Label::new(text), Err(LabelError::Control { position }));
        }
    }
}
