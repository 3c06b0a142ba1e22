//! A key that a daemon and a person have, and what follows from it, derived here and not by the client.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Output;

use rustix::fs::{Mode, chmod};
use seqgen::counter;
use seqgen::derive::{Form, Key, KeyMaterial, Label, Mode as Counting};
use seqgen::generate::{Pool, PortRange, Protocols, Shape};
use seqgen::sequence::Protocol;

use crate::daemon::Launch;
use crate::hits::{Hit, send};
use crate::host::Host;
use crate::net::{Lab, SERVER};

/// A key in a file.
pub(crate) struct Keyring {
    pub(crate) path: PathBuf,
    key: Key,
    label: Label,
}

impl Keyring {
    /// A new key, as `NAME.key` in the lab's directory.
    pub(crate) fn new(lab: &Lab, name: &str) -> Self {
        Self::at(lab.path(&format!("{name}.key")))
    }

    /// A new key in a file at this path.
    pub(crate) fn at(path: PathBuf) -> Self {
        let key = Key::generate().expect("randomness");
        write_private(&path, &KeyMaterial::Key(key.clone()));
        Self { path, key, label: Label::default() }
    }

    /// The same key with a label.
    pub(crate) fn labelled(&self, label: &str) -> Self {
        let label = Label::new(label).expect("a label");
        Self { path: self.path.clone(), key: self.key.clone(), label }
    }

    /// Writes the key for the label alone, and no more, to another file.
    pub(crate) fn write_label_key(&self, path: &Path) {
        let key = self.key.label_key(&self.label);
        write_private(path, &KeyMaterial::Label { label: self.label.clone(), key });
    }

    /// What a door with this key says of it.
    pub(crate) fn trigger(&self) -> String {
        let label = match self.label.as_str() {
            "" => String::new(),
            label => format!("\n    one_time_label = {label}"),
        };
        format!("one_time_key = {}{label}", self.path.display())
    }

    /// What the file with its counter of knocks is called.
    pub(crate) fn counter_name(&self) -> String {
        self.counter_name_of(Counting::Counter)
    }

    /// The same of what this mode counts.
    pub(crate) fn counter_name_of(&self, counting: Counting) -> String {
        counter::file_name(self.key.label_key(&self.label).fingerprint(), counting)
    }

    /// What is to be hit for a counter, from this address if it is bound to one.
    pub(crate) fn hits(&self, counting: Counting, counter: u64, from: Option<&str>) -> Vec<Hit> {
        let form = usual_form();
        let from = from.map(|address| address.parse::<IpAddr>().expect("a numeric address"));
        let key = self.key.label_key(&self.label).counter_key(counting, counter, &form);
        let hit = |step: &seqgen::sequence::Step| match step.protocol {
            Protocol::Tcp => Hit::Tcp(step.port.get()),
            Protocol::Udp => Hit::Udp(step.port.get()),
        };
        key.sequence(&form, from).steps().iter().map(hit).collect()
    }

    /// The same, of knocks that are counted.
    pub(crate) fn counted(&self, counter: u64, from: Option<&str>) -> Vec<Hit> {
        self.hits(Counting::Counter, counter, from)
    }

    /// The bytes of the key, and of the key for its label.
    pub(crate) fn secrets(&self) -> ([u8; 32], [u8; 32]) {
        (*self.key.as_bytes(), *self.key.label_key(&self.label).as_bytes())
    }

    /// The bytes of what the sequences of a counter follow from.
    pub(crate) fn counter_secret(&self, counting: Counting, counter: u64) -> [u8; 32] {
        *self.key.label_key(&self.label).counter_key(counting, counter, &usual_form()).as_bytes()
    }

    /// Knocks from an address of this host, bound to it.
    pub(crate) fn knock(&self, host: &Host, from: &str, counter: u64) {
        send(host, from, SERVER, &self.counted(counter, Some(from)));
    }
}

/// What sequences look like where nobody says otherwise.
pub(crate) fn usual_form() -> Form {
    let pool = Pool::new(&[PortRange::UNPRIVILEGED], &[]);
    Form::new(Shape { length: 5, protocols: Protocols::Tcp, pool }).expect("a form that sequences have")
}

/// `knockd --init-counter DOOR=N` with the configuration that a daemon of these doors would have.
pub(crate) fn init_counter(lab: &Lab, launch: &Launch<'_>, wish: &str) -> Output {
    let launch = Launch { args: &[], ..launch.clone() };
    let mut command = launch.command(lab);
    command.args(["--init-counter", wish]).output().expect("ip: install iproute2")
}

/// The same, which has to work.
#[track_caller]
pub(crate) fn begins(lab: &Lab, doors: &str, wish: &str) {
    let output = init_counter(lab, &Launch::new(doors), wish);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn write_private(path: &Path, key: &KeyMaterial) {
    fs::write(path, key.to_text().as_bytes()).expect("a key file");
    chmod(path, Mode::RUSR | Mode::WUSR).expect("its mode");
}
