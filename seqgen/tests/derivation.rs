//! What follows from keys, held against another implementation of `docs/derivation.md`: `derivation.py`, which made the
//! vectors.
//!
//! Where there is no python3 it is not run again, loudly; with `KNOCK_LAB=required` in the environment that is a failure.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::Command;
use std::{env, io};

use seqgen::derive::{Form, Key, KeyMaterial, Label, Mode};
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

#[test]
fn the_program_agrees_with_the_vectors() {
    let directory = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for vector in vectors().iter().filter(|vector| vector["mode"] == "hotp" && vector["sender"].is_empty()) {
        let of = |column: &str| vector[column];
        let path = directory.path().join("key");
        std::fs::write(&path, &*KeyMaterial::Key(key(of("key"))).to_text()).unwrap();
        let mut seqgen = assert_cmd::Command::new(env!("CARGO_BIN_EXE_seqgen"));
        seqgen.arg("--key-file").arg(&path).args([
            "-n",
            "1",
            "--label",
            of("label"),
            "--start",
            of("counter"),
        ]);
        seqgen.args(["--length", of("length"), "--proto", of("protocols"), "--ports", of("ports")]);
        if !of("exclude").is_empty() {
            seqgen.args(["--exclude", of("exclude")]);
        }
        let output = seqgen.output().unwrap();
        let line = String::from_utf8(output.stdout).unwrap();
        assert_eq!(line, format!(" {}\n", of("sequence")), "{vector:?}");
        compared += 1;
    }
    assert!(compared > 50, "{compared}");
}

#[test]
fn the_document_has_vectors_of_the_file() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/derivation.md");
    let document = std::fs::read_to_string(document).unwrap();
    let gate: Vec<_> = vectors()
        .into_iter()
        .filter(|vector| vector["label"] == "gate" && vector["key"].starts_with("000102030405"))
        .collect();
    let columns = ["mode", "counter", "length", "ports", "protocols", "sender", "sequence"];
    let head = format!("| {} |", columns.join(" | "));
    let rows =
        document.lines().skip_while(|line| *line != head).skip(2).take_while(|line| line.starts_with("| "));
    let mut compared = 0;
    for row in rows {
        let fields: Vec<&str> =
            row.trim_matches(['|', ' ']).split('|').map(|field| field.trim_matches([' ', '`'])).collect();
        let same = |vector: &&HashMap<&str, &str>| {
            columns.iter().zip(&fields).all(|(column, field)| vector[column] == field.replace("none", ""))
        };
        assert!(gate.iter().any(|vector| same(&vector) && vector["exclude"].is_empty()), "{row}");
        compared += 1;
    }
    assert!(compared > 10);
    // The key files and what else follows from them.
    let [whole, part] = ["# knock key v1", "# knock label key v1: gate"].map(|header| {
        let mut lines = document.lines().map(str::trim).skip_while(|line| *line != header);
        let text = format!("{}\n{}\n", lines.next().unwrap(), lines.next().unwrap());
        KeyMaterial::parse(text.as_bytes()).unwrap()
    });
    let label_key = part.label_key(None).unwrap();
    assert_eq!(whole.label_key(Some(&Label::new("gate").unwrap())).unwrap(), label_key);
    assert!(document.contains(&format!("the fingerprint `{}`", label_key.fingerprint())));
    assert!(document.contains(&format!("K_c = `{}`", gate[0]["counter_key"])));
}

#[test]
fn the_other_implementation_still_makes_these_vectors() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/derivation.py");
    match Command::new("python3").arg("-I").arg(&script).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert!(output.stdout == VECTORS.as_bytes(), "run derivation.py, and see what has changed");
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            assert!(env::var_os("KNOCK_LAB").is_none_or(|wish| wish != "required"), "python3 is missing");
            eprintln!("SKIPPED: python3 is missing");
        }
        Err(error) => panic!("python3: {error}"),
    }
}
