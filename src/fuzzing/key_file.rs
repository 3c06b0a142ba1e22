//! Key files.

use seqgen::derive::{KeyMaterial, Label, MAX_LABEL, ReadKeyError};

/// Reads the bytes as a key file.
///
/// A key that is read prints as what holds the same key, and each text holds one key: apart from how lines end, what is
/// printed is what was read.  A fault lies within the file, and what is said of it neither shows the key nor controls a
/// terminal.
pub fn key_file(bytes: &[u8]) {
    let read = KeyMaterial::parse(bytes);
    match (&read, KeyMaterial::read(bytes)) {
        (Ok(one), Ok(other)) => assert_eq!(one, &other),
        (Err(one), Err(ReadKeyError::Format(other))) => assert_eq!(one, &other),
        (one, other) => unreachable!("{one:?} and {other:?}"),
    }
    match read {
        Ok(key) => whole(&key, bytes),
        Err(error) => {
            let lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
            // The first line, or one that is missing, has at least the place where it would begin.
            let line = lines.get(error.line - 1).copied().unwrap_or_default();
            assert!((1..=lines.len() + 1).contains(&error.line), "line {} of {}", error.line, lines.len());
            assert!(
                (1..=line.len() + 1).contains(&error.column),
                "column {} of {}",
                error.column,
                line.len()
            );
            let said = format!("{error} {error:?}");
            assert!(!said.contains(char::is_control), "{said:?}");
            let key = String::from_utf8_lossy(lines.get(1).copied().unwrap_or_default()).into_owned();
            assert!(key.len() < 20 || key.contains(' ') || !said.contains(&key[..]), "{said}");
        }
    }
}

fn whole(key: &KeyMaterial, bytes: &[u8]) {
    assert!(KeyMaterial::is_meant(bytes));
    let text = key.to_text();
    assert_eq!(KeyMaterial::parse(text.as_bytes()).as_ref(), Ok(key));
    let plain = String::from_utf8(bytes.to_vec()).unwrap().replace("\r\n", "\n");
    // Of the empty label the blank before it may be left out.
    let plain = match plain.strip_prefix("# knock label key v1: \n") {
        Some(rest) => format!("# knock label key v1:\n{rest}"),
        None => plain,
    };
    assert_eq!(plain.trim_end(), text.trim_end());
    let other = Label::new("a label that no corpus has").unwrap();
    match key {
        KeyMaterial::Key(_) => {
            assert_ne!(key.label_key(None).unwrap(), key.label_key(Some(&other)).unwrap());
        }
        KeyMaterial::Label { label, key: own } => {
            assert!(label.as_str().len() <= MAX_LABEL && !label.as_str().contains(char::is_control));
            assert_eq!(&key.label_key(Some(label)).unwrap(), own);
            assert!(label == &other || key.label_key(Some(&other)).is_err());
        }
    }
}
