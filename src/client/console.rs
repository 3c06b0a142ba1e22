//! Where the client speaks: results on one writer, remarks and errors on the other.

use std::fmt::Display;
use std::io::Write;

/// The client's two outputs.
///
/// A closed or full output is no reason to stop in the middle of a sequence that is already struck, so what
/// cannot be written is left out.
pub struct Console<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
}

impl<'a> Console<'a> {
    /// Results go to `out`, remarks and errors to `err`.
    pub fn new(out: &'a mut dyn Write, err: &'a mut dyn Write) -> Console<'a> {
        Console { out, err }
    }

    /// A line of result, as it stands.
    pub(super) fn line(&mut self, text: impl Display) {
        let _ = writeln!(self.out, "{text}");
    }

    /// A remark or an error, under the program's name.
    pub(super) fn note(&mut self, text: impl Display) {
        let _ = writeln!(self.err, "knock: {text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_results_and_remarks_apart() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut console = Console::new(&mut out, &mut err);
        console.line("hitting");
        console.note("9 left");
        assert_eq!((out.as_slice(), err.as_slice()), (&b"hitting\n"[..], &b"knock: 9 left\n"[..]));
    }
}
