//! What is shown to be copied into a shell.

use std::path::Path;

/// The path as one word of a shell's command line.
pub(super) fn word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+:,@%".contains(c);
    if !text.starts_with('-') && !text.is_empty() && text.chars().all(plain) {
        text
    } else if text.starts_with('-') {
        word(&Path::new(".").join(path))
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_a_path_for_the_shell_where_it_must() {
        for (path, quoted) in [
            ("/home/me/seqs.txt", "/home/me/seqs.txt"),
            ("my pad", "'my pad'"),
            ("it's", r"'it'\''s'"),
            ("-rf", "./-rf"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(word(Path::new(path)), quoted);
        }
    }
}
