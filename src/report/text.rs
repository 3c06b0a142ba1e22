//! From the bytes of a file to its text.

use super::fault::{Fault, Faults};

/// What a text editor may put before the first character to say that the rest is UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The text of these bytes, without a byte order mark; bytes that are no text are complained about once a line,
/// and stand as U+FFFD.
pub(crate) fn decode(bytes: &[u8], faults: &mut Faults) -> String {
    let bytes = match bytes.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => {
            let message = "the file begins with a byte order mark, which is left out";
            faults.push(Fault::warning(0..0, message).hint("save it as UTF-8 without one"));
            rest
        }
        None => bytes,
    };
    let mut text = String::with_capacity(bytes.len());
    let mut fault_on_line = false;
    for chunk in bytes.utf8_chunks() {
        fault_on_line &= !chunk.valid().contains('\n');
        text.push_str(chunk.valid());
        if chunk.invalid().is_empty() {
            continue;
        }
        if !fault_on_line {
            let at = text.len();
            faults.push(
                Fault::error(at..at, "a byte that is no UTF-8 text")
                    .hint("save the file as UTF-8; a comment in another encoding is enough to cause this"),
            );
        }
        fault_on_line = true;
        text.push(char::REPLACEMENT_CHARACTER);
    }
    if let Some(nul) = text.find('\0') {
        faults.push(
            Fault::error(nul..nul + 1, "a NUL byte: this is no text file")
                .hint("a file saved as UTF-16, or never written to the end, looks like this"),
        );
    }
    text
}
