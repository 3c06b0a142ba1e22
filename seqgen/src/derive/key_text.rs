//! Keys as they stand in files.

use std::fmt;
use std::io::{self, Read};
use std::str;

use base64ct::{Base64, Encoding as _};
use zeroize::Zeroizing;

use super::key::{Key, LabelKey};
use super::label::{Label, LabelError};
use super::secret::{KEY_BYTES, Secret};

/// The longest file that is taken for one with a key, in bytes.
pub const MAX_KEY_FILE: usize = 4096;

const KEY_HEADER: &[u8] = b"# knock key v1";
const LABEL_HEADER: &[u8] = b"# knock label key v1:";

/// How many characters of base64 a key takes.
const KEY_TEXT: usize = KEY_BYTES.div_ceil(3) * 4;

/// What a key file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyMaterial {
    /// A whole key.
    Key(Key),
    /// The key for one label.
    Label {
        /// Which label.
        label: Label,
        /// Its key.
        key: LabelKey,
    },
}

impl KeyMaterial {
    /// Reads a key file: a header, a line with the key, and nothing else.
    pub fn parse(bytes: &[u8]) -> Result<KeyMaterial, KeyFileError> {
        if bytes.len() > MAX_KEY_FILE {
            return Err(KeyFileError { line: 1, column: 1, kind: KeyFileErrorKind::TooLong });
        }
        let mut lines =
            bytes.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let label = parse_header(lines.next().unwrap_or_default())?;
        let key = parse_key(lines.next().unwrap_or_default())?;
        for (number, line) in (3..).zip(lines) {
            if let Some(before) = line.iter().position(|byte| !byte.is_ascii_whitespace()) {
                return Err(KeyFileError {
                    line: number,
                    column: before + 1,
                    kind: KeyFileErrorKind::Surplus,
                });
            }
        }
        Ok(match label {
            None => KeyMaterial::Key(Key::from_secret(key)),
            Some(label) => KeyMaterial::Label { label, key: LabelKey::from_secret(key) },
        })
    }

    /// Reads a key file from where it begins, and never more of it than a key file has.
    pub fn read(source: impl Read) -> Result<KeyMaterial, ReadKeyError> {
        let mut bytes = Zeroizing::new([0; MAX_KEY_FILE + 1]);
        let mut source = source;
        let mut length = 0;
        while length < bytes.len() {
            match source.read(&mut bytes[length..]) {
                Ok(0) => break,
                Ok(more) => length += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(KeyMaterial::parse(&bytes[..length])?)
    }

    /// Whether a file that begins with these bytes is meant to be a key file, and not, say, a pad.
    pub fn is_meant(start: &[u8]) -> bool {
        [&b"# knock key v"[..], b"# knock label key v"]
            .iter()
            .filter_map(|header| start.strip_prefix(*header))
            .any(|version| version.first().is_some_and(u8::is_ascii_digit))
    }

    /// The key for `label`.  Where none is given, it is the file's own, and for a whole key the empty one.
    pub fn label_key(&self, label: Option<&Label>) -> Result<LabelKey, LabelMismatch> {
        match (self, label) {
            (KeyMaterial::Key(key), Some(label)) => Ok(key.label_key(label)),
            (KeyMaterial::Key(key), None) => Ok(key.label_key(&Label::default())),
            (KeyMaterial::Label { label: found, .. }, Some(wanted)) if wanted != found => {
                Err(LabelMismatch { wanted: wanted.clone(), found: found.clone() })
            }
            (KeyMaterial::Label { key, .. }, _) => Ok(key.clone()),
        }
    }

    /// The file's text.
    pub fn to_text(&self) -> Zeroizing<String> {
        let bytes = match self {
            KeyMaterial::Key(key) => key.as_bytes(),
            KeyMaterial::Label { key, .. } => key.as_bytes(),
        };
        let mut buffer = Zeroizing::new([0; KEY_TEXT]);
        // The buffer is as long as it takes.
        let encoded = Base64::encode(bytes, &mut *buffer).unwrap_or_default();
        // Never has to grow, which would leave a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(MAX_KEY_FILE));
        match self {
            KeyMaterial::Key(_) => text.push_str("# knock key v1\n"),
            KeyMaterial::Label { label, .. } => {
                text.push_str("# knock label key v1:");
                if !label.as_str().is_empty() {
                    text.push(' ');
                    text.push_str(label.as_str());
                }
                text.push('\n');
            }
        }
        text.push_str(encoded);
        text.push('\n');
        text
    }
}

/// The label of a label key's header, or `None` for the header of a whole key.
fn parse_header(line: &[u8]) -> Result<Option<Label>, KeyFileError> {
    let fail = |column, kind| KeyFileError { line: 1, column, kind };
    if line == KEY_HEADER {
        return Ok(None);
    }
    let Some(rest) = line.strip_prefix(LABEL_HEADER) else {
        let kind =
            if KeyMaterial::is_meant(line) { KeyFileErrorKind::Version } else { KeyFileErrorKind::Header };
        return Err(fail(1, kind));
    };
    let start = LABEL_HEADER.len() + 2;
    let text = match rest {
        [] => rest,
        [b' ', text @ ..] => text,
        _ => return Err(fail(LABEL_HEADER.len() + 1, KeyFileErrorKind::LabelBlank)),
    };
    let text = str::from_utf8(text).map_err(|e| fail(start + e.valid_up_to(), KeyFileErrorKind::NotText))?;
    Label::new(text).map(Some).map_err(|error| fail(start, KeyFileErrorKind::Label(error)))
}

fn parse_key(line: &[u8]) -> Result<Box<Secret>, KeyFileError> {
    let fail = |column, kind| KeyFileError { line: 2, column, kind };
    if line.is_empty() {
        return Err(fail(1, KeyFileErrorKind::NoKey));
    }
    if let Some(before) = line.iter().position(|byte| !is_base64(*byte)) {
        return Err(fail(before + 1, KeyFileErrorKind::NotBase64));
    }
    if line.len() != KEY_TEXT {
        return Err(fail(line.len().min(KEY_TEXT) + 1, KeyFileErrorKind::Length { characters: line.len() }));
    }
    let mut key = Box::<Secret>::default();
    match Base64::decode(line, key.bytes_mut()) {
        Ok(decoded) if decoded.len() == KEY_BYTES => Ok(key),
        // What is left to be wrong is at the end: the padding, or bits that no byte takes.
        _ => Err(fail(KEY_TEXT - 1, KeyFileErrorKind::Ending)),
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// Why bytes are no key file, and where; the key itself is never quoted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct KeyFileError {
    /// The line at fault, from 1.
    pub line: usize,
    /// The byte of this line at fault, from 1.
    pub column: usize,
    /// What is wrong there.
    #[source]
    pub kind: KeyFileErrorKind,
}

/// What can be wrong with a key file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileErrorKind {
    /// It begins with something else.
    #[error(
        "this is no key file: it would begin with the line `# knock key v1`, or `# knock label key v1: LABEL`; \
         `seqgen --new-key -o FILE` makes one"
    )]
    Header,
    /// It looks like a key file of another version.
    #[error(
        "this is no header of a key file that this version knows, `# knock key v1` or `# knock label key v1: LABEL`"
    )]
    Version,
    /// The label is not set off.
    #[error("a blank belongs between the colon and the label")]
    LabelBlank,
    /// The label is not UTF-8.
    #[error("the label is not UTF-8 text")]
    NotText,
    /// The header's label cannot be one.
    #[error("{0}")]
    Label(#[source] LabelError),
    /// The second line is missing or empty.
    #[error(
        "the key is missing: the second line has it, 32 bytes as 44 characters of base64; copy the file again"
    )]
    NoKey,
    /// The key's line has a character that base64 has not.
    #[error(
        "this character does not belong into a key, which is 44 characters of base64; copy the file again"
    )]
    NotBase64,
    /// The key's line is too long or too short.
    #[error("a key is {KEY_TEXT} characters of base64, not {characters}; copy the file again")]
    Length {
        /// How many there are.
        characters: usize,
    },
    /// The key's line does not end as 32 bytes in base64 do.
    #[error("this is not how 32 bytes in base64 end; copy the file again")]
    Ending,
    /// Something stands behind the key.
    #[error("nothing may follow the key; a key file holds one key")]
    Surplus,
    /// The file is longer than any key file.
    #[error("this is no key file: it is longer than {MAX_KEY_FILE} bytes")]
    TooLong,
}

/// Why no key could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadKeyError {
    /// The operating system did not let us read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What was read is no key file.
    #[error("{0}")]
    Format(#[from] KeyFileError),
}

/// A label was asked for, but the file holds another one's key only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelMismatch {
    /// The label that was asked for.
    pub wanted: Label,
    /// The label whose key the file holds.
    pub found: Label,
}

impl fmt::Display for LabelMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [wanted, found] = [&self.wanted, &self.found].map(|label| label.as_str().escape_debug());
        write!(
            f,
            "this is the key for the label `{found}`, from which the one for `{wanted}` does not follow; leave the label \
             out, or take the whole key"
        )
    }
}

impl std::error::Error for LabelMismatch {}

#[cfg(test)]
#[path = "key_text_tests.rs"]
mod tests;
