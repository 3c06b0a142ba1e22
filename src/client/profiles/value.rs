//! Values as they stand in a file of profiles: whatever can be typed on the command line, with its place.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use toml::Spanned;

/// Text, or a whole number, which is taken for its text.
#[derive(Debug)]
pub(super) struct Word(pub(super) String);

/// One word, or a list of them.
#[derive(Debug)]
pub(super) enum Words {
    One(Word),
    Many(Vec<Spanned<Word>>),
}

struct WordVisitor;

impl Visitor<'_> for WordVisitor {
    type Value = Word;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text in quotes or a whole number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Word, E> {
        Ok(Word(text.to_owned()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Word, E> {
        Ok(Word(number.to_string()))
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Word, D::Error> {
        deserializer.deserialize_any(WordVisitor)
    }
}

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = Words;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ports, as in \"7000,8000:udp\" or [7000, \"8000:udp\"]")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Words, E> {
        WordVisitor.visit_str(text).map(Words::One)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Words, E> {
        WordVisitor.visit_i64(number).map(Words::One)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Words, A::Error> {
        let mut words = Vec::new();
        while let Some(word) = list.next_element()? {
            words.push(word);
        }
        Ok(Words::Many(words))
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Words, D::Error> {
        deserializer.deserialize_any(WordsVisitor)
    }
}
