//! The keys that people keep.

use rand::TryRng as _;
use rand::rngs::SysRng;

use super::counter_key::CounterKey;
use super::fingerprint::Fingerprint;
use super::form::Form;
use super::label::Label;
use super::mac::FieldMac;
use super::mode::Mode;
use super::secret::{KEY_BYTES, Secret};
use crate::generate::BrokenRandomness;

/// A whole key: all label keys follow from it.
///
/// It lies on the heap, so that moving it leaves no copy behind; comparing takes the same time whatever differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(Box<Secret>);

impl Key {
    /// A new key from the operating system's randomness.
    pub fn generate() -> Result<Key, BrokenRandomness> {
        let mut secret = Box::<Secret>::default();
        SysRng.try_fill_bytes(secret.bytes_mut()).map_err(BrokenRandomness::new)?;
        Ok(Key(secret))
    }

    /// The key of these bytes.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Key {
        Key(Box::new(bytes.into()))
    }

    pub(super) fn from_secret(secret: Box<Secret>) -> Key {
        Key(secret)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        self.0.bytes()
    }

    /// The key for one label.  From this, neither the whole key nor another label's follows.
    pub fn label_key(&self, label: &Label) -> LabelKey {
        let mut key = Box::<Secret>::default();
        FieldMac::new(&self.0, b"label").field(label.as_str().as_bytes()).finish_into(&mut key);
        LabelKey(key)
    }
}

/// The key for one label, which is all that this label's host needs.
///
/// It lies on the heap, so that moving it leaves no copy behind; comparing takes the same time whatever differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelKey(Box<Secret>);

impl LabelKey {
    /// The label key of these bytes.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> LabelKey {
        LabelKey(Box::new(bytes.into()))
    }

    pub(super) fn from_secret(secret: Box<Secret>) -> LabelKey {
        LabelKey(secret)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        self.0.bytes()
    }

    /// What it is known by, to people and in the names of files; nothing follows from that.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.0)
    }

    /// The key for one sequence of `form`: of the `counter`-th knock, or of that step of time.
    pub fn counter_key(&self, mode: Mode, counter: u64, form: &Form) -> CounterKey {
        let (name, used) = mode.field();
        let mac = FieldMac::new(&self.0, b"counter")
            .field(&name[..used])
            .field(&counter.to_be_bytes())
            .field(&[form.length()])
            .field(form.ranges())
            .field(form.protocols());
        let mut key = Box::<Secret>::default();
        mac.finish_into(&mut key);
        CounterKey::new(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_new_key_is_like_another() {
        let (one, other) = (Key::generate().unwrap(), Key::generate().unwrap());
        assert_ne!(one, other);
        assert_ne!(one, Key::from_bytes([0; KEY_BYTES]));
        assert_eq!(one, one.clone());
    }

    #[test]
    fn labels_have_keys_of_their_own() {
        let key = Key::from_bytes([1; KEY_BYTES]);
        let of = |label: &str| key.label_key(&Label::new(label).unwrap());
        assert_eq!(of("gate"), of("gate"));
        assert_ne!(of("gate"), of("Gate"));
        assert_ne!(of(""), LabelKey::from_bytes([1; KEY_BYTES]));
        assert_ne!(of("gate").fingerprint(), of("").fingerprint());
    }

    #[test]
    fn keys_are_not_shown() {
        let key = Key::from_bytes([0x5a; KEY_BYTES]);
        let shown = format!("{key:?} {:?}", key.label_key(&Label::default()));
        assert_eq!(shown, "Key((secret)) LabelKey((secret))");
    }
}
