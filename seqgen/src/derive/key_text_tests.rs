use super::*;

const KEY: &str = "# knock key v1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
const LABEL: &str = "# knock label key v1: gate\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";

fn bytes() -> [u8; KEY_BYTES] {
    std::array::from_fn(|i| u8::try_from(i).unwrap())
}

fn parse(text: &str) -> KeyMaterial {
    KeyMaterial::parse(text.as_bytes()).unwrap()
}

fn fault(text: impl AsRef<[u8]>) -> (usize, usize, KeyFileErrorKind) {
    let KeyFileError { line, column, kind } = KeyMaterial::parse(text.as_ref()).unwrap_err();
    (line, column, kind)
}

fn label_key(label: &str) -> KeyMaterial {
    KeyMaterial::Label { label: Label::new(label).unwrap(), key: LabelKey::from_bytes(bytes()) }
}

#[test]
fn reads_what_it_prints() {
    assert_eq!(parse(KEY), KeyMaterial::Key(Key::from_bytes(bytes())));
    assert_eq!(parse(LABEL), label_key("gate"));
    for text in [KEY, LABEL] {
        assert_eq!(parse(text).to_text().as_str(), text);
    }
    for label in ["", " ", " a ", ": №", &"x".repeat(255)] {
        let material = label_key(label);
        assert_eq!(parse(&material.to_text()), material, "{label:?}");
    }
    assert!(label_key("").to_text().starts_with("# knock label key v1:\n"));
}

#[test]
fn tolerates_how_lines_end() {
    for text in [
        KEY.replace('\n', "\r\n"),
        KEY.trim_end().to_owned(),
        format!("{KEY}\n\r\n \t\n"),
        format!("{KEY}  "),
    ] {
        assert_eq!(parse(&text), parse(KEY), "{text:?}");
    }
    assert_eq!(parse(&LABEL.replace('\n', "\r\n")), parse(LABEL));
    assert_eq!(parse(&LABEL.replace(" gate", " ")), label_key(""));
    assert_eq!(parse(&LABEL.replace(" gate", "")), label_key(""));
}

#[test]
fn says_where_the_header_is_wrong() {
    for text in [
        "",
        "\n",
        "# knock key\n",
        " # knock key v1\n",
        "#knock key v1",
        " 1,2,3\n",
        "\u{feff}# knock key v1\n",
    ] {
        assert_eq!(fault(text), (1, 1, KeyFileErrorKind::Header), "{text:?}");
    }
    for text in [
        "# knock key v2",
        "# knock key v1 ",
        "# knock key v1: x",
        "# knock label key v2: x",
        "# knock label key v1",
    ] {
        assert_eq!(fault(text), (1, 1, KeyFileErrorKind::Version), "{text:?}");
    }
    assert_eq!(fault(LABEL.replace(" gate", "gate")), (1, 22, KeyFileErrorKind::LabelBlank));
    assert_eq!(fault(b"# knock label key v1: ab\xff\n"), (1, 25, KeyFileErrorKind::NotText));
    let control = KeyFileErrorKind::Label(LabelError::Control { position: 2 });
    assert_eq!(fault(LABEL.replace("gate", "a\tb")), (1, 23, control));
    let long = KeyFileErrorKind::Label(LabelError::TooLong { bytes: 256 });
    assert_eq!(fault(LABEL.replace("gate", &"x".repeat(256))), (1, 23, long));
}

#[test]
fn says_where_the_key_is_wrong() {
    for text in ["# knock key v1", "# knock key v1\n", "# knock key v1\n\nAAEC"] {
        assert_eq!(fault(text), (2, 1, KeyFileErrorKind::NoKey), "{text:?}");
    }
    assert_eq!(fault(KEY.replace("AAEC", "AA-C")), (2, 3, KeyFileErrorKind::NotBase64));
    assert_eq!(fault(KEY.replace("AAEC", " AAEC")), (2, 1, KeyFileErrorKind::NotBase64));
    assert_eq!(fault(KEY.replace("8=\n", "8= \n")), (2, 45, KeyFileErrorKind::NotBase64));
    assert_eq!(fault(KEY.replace("8=\n", "8\n")), (2, 44, KeyFileErrorKind::Length { characters: 43 }));
    assert_eq!(fault(KEY.replace("8=\n", "8=A\n")), (2, 45, KeyFileErrorKind::Length { characters: 45 }));
    for ending in ["h9=", "h88", "h==", "=8="] {
        assert_eq!(fault(KEY.replace("h8=", ending)), (2, 43, KeyFileErrorKind::Ending), "{ending}");
    }
    assert_eq!(fault(format!("{KEY}\n # x\n")), (4, 2, KeyFileErrorKind::Surplus));
    assert_eq!(fault(format!("{KEY}{KEY}")), (3, 1, KeyFileErrorKind::Surplus));
}

#[test]
fn a_file_is_read_up_to_a_bound() {
    let filled = |length: usize| format!("{KEY:\n<length$}");
    assert_eq!(parse(&filled(MAX_KEY_FILE)), parse(KEY));
    assert_eq!(fault(filled(MAX_KEY_FILE + 1)), (1, 1, KeyFileErrorKind::TooLong));

    assert_eq!(KeyMaterial::read(KEY.as_bytes()).unwrap(), parse(KEY));
    assert!(matches!(KeyMaterial::read(io::repeat(b'\n')), Err(ReadKeyError::Format(_))));
    let broken = KEY.as_bytes().chain(Broken);
    assert!(matches!(KeyMaterial::read(broken), Err(ReadKeyError::Io(_))));
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("broken"))
    }
}

#[test]
fn no_message_shows_a_part_of_the_key() {
    for text in [
        KEY.replace("8=\n", "8\n"),
        KEY.replace("AAEC", "AA!C"),
        KEY.replace("h8=", "h9="),
        format!("{KEY}AAEC"),
    ] {
        let error = KeyMaterial::parse(text.as_bytes()).unwrap_err();
        let shown = format!("{error} {error:?} {:?}", parse(KEY));
        assert!(!shown.contains("AA") && !shown.contains("Bgc"), "{shown}");
    }
}

#[test]
fn a_label_key_serves_its_own_label_only() {
    let [gate, other] = ["gate", "other"].map(|label| Label::new(label).unwrap());
    let whole = parse(KEY);
    let KeyMaterial::Key(key) = &whole else { panic!("a whole key") };
    assert_eq!(whole.label_key(Some(&gate)).unwrap(), key.label_key(&gate));
    assert_eq!(whole.label_key(None).unwrap(), key.label_key(&Label::default()));

    let part = parse(LABEL);
    assert_eq!(part.label_key(Some(&gate)).unwrap().as_bytes(), &bytes());
    assert_eq!(part.label_key(None).unwrap().as_bytes(), &bytes());
    let mismatch = part.label_key(Some(&other)).unwrap_err();
    assert_eq!(mismatch, LabelMismatch { wanted: other, found: gate });
    let unlabelled = part.label_key(Some(&Label::default()));
    assert!(unlabelled.is_err());
}

#[test]
fn knows_what_is_meant_to_be_a_key_file() {
    for text in [KEY, LABEL, "# knock key v2", "# knock label key v9"] {
        assert!(KeyMaterial::is_meant(text.as_bytes()), "{text}");
    }
    for text in ["", " 1,2,3\n", "# knock", "# knock key", "# my knocks", "# knock key vault"] {
        assert!(!KeyMaterial::is_meant(text.as_bytes()), "{text}");
    }
}
