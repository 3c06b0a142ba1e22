//! A set of nftables that a door adds addresses to.

use std::fmt;

use nftables::types::NfFamily;

use super::directives;
use super::excerpt::excerpt;
use super::fault::Fault;
use super::lookalike;
use super::values::Word;

/// The longest name that the kernel takes (`NFT_NAME_MAXLEN`, less the zero at its end).
const LONGEST: usize = 255;

/// Which addresses are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ip {
    V4,
    V6,
}

/// A set, by its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NftSet {
    family: NfFamily,
    table: String,
    name: String,
}

impl NftSet {
    /// The families whose tables see whole addresses of IP.
    pub(super) const FAMILIES: &[(&str, NfFamily)] = &[
        ("inet", NfFamily::INet),
        ("ip", NfFamily::IP),
        ("ip6", NfFamily::IP6),
        ("bridge", NfFamily::Bridge),
        ("netdev", NfFamily::NetDev),
    ];

    /// The family of its table.
    pub(crate) fn family(&self) -> NfFamily {
        self.family
    }

    /// Its table.
    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// Its own name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name of the family, as nft(8) has it.
    pub(crate) fn family_name(&self) -> &'static str {
        Self::FAMILIES.iter().find(|(_, known)| *known == self.family).map_or("", |(name, _)| name)
    }
}

/// As nft(8) and `nft_set` take it.
impl fmt::Display for NftSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.family_name(), self.table, self.name)
    }
}

/// The set that these words name, for addresses of this kind; none if there is no word.
pub(super) fn read(words: &[Word<'_>], ip: Ip) -> Result<Option<NftSet>, Fault> {
    let (family, table, name) = match words {
        [] => return Ok(None),
        [family, table, name] => (family, table, name),
        [.., last] => {
            let fault = last.wrong("a set is named by three words: family, table and set");
            return Err(fault.hint("such as inet filter knockers; `nft list sets` shows them"));
        }
    };
    let family = read_family(family, ip)?;
    Ok(Some(NftSet { family, table: read_name(table)?, name: read_name(name)? }))
}

fn read_family(word: &Word<'_>, ip: Ip) -> Result<NfFamily, Fault> {
    let Some(family) = directives::find(NftSet::FAMILIES, word.value) else {
        let nearest = directives::nearest(NftSet::FAMILIES, word.value);
        let meant = nearest.map(|known| format!("did you mean `{known}`?"));
        let usual = || "inet, ip, ip6, bridge or netdev; then the table, then the set".to_owned();
        let fault = word.wrong(format!("unknown family `{}` of nftables", excerpt(word.value)));
        return Err(fault.hint(lookalike::hint(word.value).or(meant).unwrap_or_else(usual)));
    };
    let (other, packets, hint) = match ip {
        Ip::V4 => {
            (NfFamily::IP6, "IPv4", "a table of inet sees both; nft_set_6 is for those who knock over IPv6")
        }
        Ip::V6 => {
            (NfFamily::IP, "IPv6", "a table of inet sees both; nft_set is for those who knock over IPv4")
        }
    };
    if family == other {
        let message = format!("no packet of {packets} passes a table of {}", word.value.to_ascii_lowercase());
        return Err(word.wrong(message).hint(hint));
    }
    Ok(family)
}

/// A name that nft(8) can be told without quotes.
fn read_name(word: &Word<'_>) -> Result<String, Fault> {
    let name = word.value;
    let begins = |byte: u8| byte.is_ascii_alphabetic() || b"_.".contains(&byte);
    let goes_on = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte);
    let is_name = name.bytes().next().is_some_and(begins) && name.bytes().all(goes_on);
    if !is_name || name.len() > LONGEST {
        let usual = "a letter, then letters, digits, `_`, `.`, `-` and `/`, at most 255 in all";
        let fault = word.wrong(format!("`{}` is no name of nftables", excerpt(name)));
        return Err(fault.hint(lookalike::hint(name).unwrap_or_else(|| usual.to_owned())));
    }
    Ok(name.to_owned())
}
