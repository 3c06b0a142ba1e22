//! What follows from keys, held against another implementation of `docs/derivation.md`: `derivation.py`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;

use seqgen::derive::{Form, Key, Label, Mode};
use seqgen::generate::{Pool, PortRange, Protocols, Shape};

const VECTORS: &str = include_str!("vectors/derivation.tsv");

fn hex(bytes: &[u8; 32]) -> String {
    let halves: [[u8; 16]; 2] = std::array::from_fn(|half| std::array::from_fn(|i| bytes[16 * half + i]));
    halves.map(|half| format!("{:032x}", u128::from_be_bytes(half))).concat()
}

fn key(text: &str) -> Key {
    assert_eq!(text.len(), 64);
    Key::from_bytes(std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()))
}

fn ranges(text: &str) -> Vec<PortRange> {
    text.split(',').filter(|range| !range.is_empty()).map(|range| range.parse().unwrap()).collect()
}

fn mode(text: &str) -> Mode {
    match text.split_once(':') {
        Some(("totp", step)) => Mode::Time { step: step.parse::<NonZeroU32>().unwrap() },
        _ => Mode::Counter,
    }
}

fn form(length: &str, protocols: &str, ports: &str, exclude: &str) -> Form {
    let protocols = match protocols {
        "tcp" => Protocols::Tcp,
        "udp" => Protocols::Udp,
        _ => Protocols::Mixed,
    };
    let pool = Pool::new(&ranges(ports), &ranges(exclude));
    Form::new(Shape { length: length.parse().unwrap(), protocols, pool }).unwrap()
}

/// The vectors, each by the names of its columns.
fn vectors() -> Vec<HashMap<&'static str, &'static str>> {
    let mut lines = VECTORS.lines();
    let columns: Vec<&str> = lines.next().unwrap().split('\t').collect();
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            assert_eq!(fields.len(), columns.len(), "{line}");
            columns.iter().copied().zip(fields).collect()
        })
        .collect()
}

#[test]
fn the_library_agrees_with_the_vectors() {
    let vectors = vectors();
    assert!(vectors.len() > 100);
    for vector in vectors {
        let of = |column: &str| vector[column];
        let label_key = key(of("key")).label_key(&Label::new(of("label")).unwrap());
        assert_eq!(hex(label_key.as_bytes()), of("label_key"), "{vector:?}");
        assert_eq!(label_key.fingerprint().to_string(), of("fingerprint"), "{vector:?}");
        let form = form(of("length"), of("protocols"), of("ports"), of("exclude"));
        let counter_key = label_key.counter_key(mode(of("mode")), of("counter").parse().unwrap(), &form);
        assert_eq!(hex(counter_key.as_bytes()), of("counter_key"), "{vector:?}");
        assert_eq!(counter_key.first(&form).to_string(), of("first"), "{vector:?}");
        let sender: Option<IpAddr> = Some(of("sender")).filter(|s| !s.is_empty()).map(|s| s.parse().unwrap());
        assert_eq!(counter_key.sequence(&form, sender).to_string(), of("sequence"), "{vector:?}");
    }
}
