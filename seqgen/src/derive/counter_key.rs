//! The key for one counter, and the sequence that follows from it.

use std::net::IpAddr;
use std::num::NonZeroU32;

use super::form::Form;
use super::mac::FieldMac;
use super::secret::{KEY_BYTES, Secret};
use super::stream::Stream;
use crate::generate::is_monotonic;
use crate::sequence::{Sequence, Step};

/// The key for one counter: neither the label key nor another counter's follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterKey(Box<Secret>);

impl CounterKey {
    pub(super) fn new(secret: Box<Secret>) -> CounterKey {
        CounterKey(secret)
    }

    /// The counter key of these bytes.
    pub fn from_bytes(bytes: &[u8; KEY_BYTES]) -> CounterKey {
        let mut secret = Box::<Secret>::default();
        secret.bytes_mut().copy_from_slice(bytes);
        CounterKey(secret)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        self.0.bytes()
    }

    /// What its sequences begin with, whoever they are bound to.  `form` is the one that the key was derived for.
    pub fn first(&self, form: &Form) -> Step {
        hit(&mut Stream::new(&self.0, b"first"), form)
    }

    /// Its sequence for whoever knocks from the address `binding`, or for anybody.  `form` is the one that the key was
    /// derived for.
    pub fn sequence(&self, form: &Form, binding: Option<IpAddr>) -> Sequence {
        let mut rest = match binding {
            Some(sender) => Stream::new(&self.sender_key(sender), b"rest"),
            None => Stream::new(&self.0, b"rest"),
        };
        let length = usize::from(form.length());
        let mut steps = Vec::with_capacity(length);
        steps.push(self.first(form));
        loop {
            while steps.len() < length {
                let step = hit(&mut rest, form);
                if steps.iter().all(|earlier| earlier.port != step.port) {
                    steps.push(step);
                }
            }
            // Whatever the first one is, half of the ways to go on at most are up or down only.
            if !is_monotonic(&steps) {
                return Sequence::of_few(steps);
            }
            steps.truncate(1);
        }
    }

    fn sender_key(&self, sender: IpAddr) -> Secret {
        let mac = FieldMac::new(&self.0, b"sender");
        match sender.to_canonical() {
            IpAddr::V4(address) => mac.field(&[4]).field(&address.octets()),
            IpAddr::V6(address) => mac.field(&[6]).field(&address.octets()),
        }
        .finish()
    }
}

/// The next hit of `stream`, each equally likely.
fn hit(stream: &mut Stream, form: &Form) -> Step {
    const TWO: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);
    let (ports, choices) = (form.shape().pool.ports(), form.shape().protocols.choices());
    let port = ports[stream.below(form.port_count()) as usize];
    let protocol = match choices {
        [only] => *only,
        _ => choices[stream.below(TWO) as usize],
    };
    Step { port, protocol }
}

#[cfg(test)]
#[path = "counter_key_tests.rs"]
mod tests;
