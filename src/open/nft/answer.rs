//! What nft(8) says of a set, and what follows from it for a door.

use serde_json::Value;

use super::NFT;
use crate::config::{Ip, NftSet};

/// Why a set lets nobody in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SetTrouble {
    #[error("nobody can be let in: there is no {NFT}; install the package nftables")]
    NoProgram,
    #[error("nobody can be let in: there is no table {}; type: nft add table {} && {}", table(.0), table(.0), add(.0, *.1))]
    NoTable(NftSet, Ip),
    #[error("nobody can be let in: there is no such set; type: {}", add(.0, *.1))]
    NoSet(NftSet, Ip),
    #[error("nobody can be let in: it is of type {found}, and not {}; type: {}", type_name(*.ip), replace(.set, *.ip))]
    Type { set: NftSet, ip: Ip, found: String },
    #[error("nobody can be let in: it has no `flags timeout`; type: {}", replace(.0, *.1))]
    NoTimeout(NftSet, Ip),
    #[error("cannot be looked at: {0}")]
    Unknown(String),
}

fn table(set: &NftSet) -> String {
    format!("{} {}", set.family_name(), set.table())
}

fn type_name(ip: Ip) -> &'static str {
    match ip {
        Ip::V4 => "ipv4_addr",
        Ip::V6 => "ipv6_addr",
    }
}

/// What the set has to be, for a shell.
fn add(set: &NftSet, ip: Ip) -> String {
    format!("nft add set {set} '{{ type {}; flags timeout; }}'", type_name(ip))
}

/// The same for one that is there and of no use, which a rule that uses it would keep: then nothing is changed.
fn replace(set: &NftSet, ip: Ip) -> String {
    format!(
        "nft 'delete set {set}; add set {set} {{ type {}; flags timeout; }}' (which rules that use it stand in the way of)",
        type_name(ip)
    )
}

/// What is wrong with a set of which `nft -j list set` has printed this.
pub(super) fn judge(printed: &str, set: &NftSet, ip: Ip) -> Result<(), SetTrouble> {
    let found = objects(printed).find_map(|mut object| object.get_mut("set").map(Value::take));
    let Some(found) = found else { return Err(SetTrouble::Unknown("nft says nothing of it".to_owned())) };
    let kind = words(&found["type"]).join(" . ");
    if kind != type_name(ip) {
        return Err(SetTrouble::Type { set: set.clone(), ip, found: kind });
    }
    if !words(&found["flags"]).contains(&"timeout") {
        return Err(SetTrouble::NoTimeout(set.clone(), ip));
    }
    Ok(())
}

/// Whether the table of this set is among those that `nft -j list tables` has printed.
pub(super) fn has_table(printed: &str, set: &NftSet) -> bool {
    objects(printed).any(|object| {
        let table = &object["table"];
        table["family"] == set.family_name() && table["name"] == set.table()
    })
}

/// Whether nft's complaint is that there is no such thing.
pub(super) fn is_absence(complaint: &str) -> bool {
    complaint.contains("No such file or directory")
}

/// The objects in JSON, whatever stands on the lines before and after.
fn objects(printed: &str) -> impl Iterator<Item = Value> {
    let documents = printed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    documents.flat_map(|mut document| match document.get_mut("nftables").map(Value::take) {
        Some(Value::Array(objects)) => objects,
        _ => Vec::new(),
    })
}

/// One word, or several in an array.
fn words(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
        word => word.as_str().into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    fn set() -> NftSet {
        let text = "[d]\nsequence = 1,9,5\ntcpflags = syn\nnft_set = inet filter knockers\n";
        parse("t.conf", text.as_bytes()).0.unwrap().doors.remove(0).nft_set.v4.unwrap()
    }

    /// What is said of a set with these further fields.
    fn said(fields: &str) -> String {
        let printed = format!(
            "# a warning\n{{\"nftables\": [{{\"metainfo\": {{\"version\": \"1.0.6\"}}}}, {{\"set\": {{\"family\": \
             \"inet\", \"name\": \"knockers\", \"table\": \"filter\", {fields}}}}}]}}\n"
        );
        judge(&printed, &set(), Ip::V4).map_or_else(|trouble| trouble.to_string(), |()| "good".to_owned())
    }

    #[test]
    fn a_set_is_good_if_its_addresses_can_time_out() {
        assert_eq!(said(r#""type": "ipv4_addr", "handle": 1, "flags": ["timeout"]"#), "good");
        assert_eq!(said(r#""type": "ipv4_addr", "flags": "timeout", "elem": ["192.0.2.2"]"#), "good");
        assert_eq!(said(r#""type": "ipv4_addr", "flags": ["interval", "timeout"], "timeout": 9"#), "good");
    }

    #[test]
    fn what_is_wrong_comes_with_the_line_that_mends_it() {
        let replace = "type: nft 'delete set inet filter knockers; add set inet filter knockers { type ipv4_addr; flags \
                       timeout; }' (which rules that use it stand in the way of)";
        for (fields, wrong) in [
            (r#""type": "ipv6_addr", "flags": ["timeout"]"#, "it is of type ipv6_addr, and not ipv4_addr"),
            (
                r#""type": ["ipv4_addr", "inet_service"], "flags": ["timeout"]"#,
                "it is of type ipv4_addr . inet_service, and not ipv4_addr",
            ),
            (r#""type": "ipv4_addr""#, "it has no `flags timeout`"),
            (r#""type": "ipv4_addr", "flags": ["interval"]"#, "it has no `flags timeout`"),
        ] {
            assert_eq!(said(fields), format!("nobody can be let in: {wrong}; {replace}"));
        }
        let add = "nft add set inet filter knockers '{ type ipv6_addr; flags timeout; }'";
        let no_set = SetTrouble::NoSet(set(), Ip::V6).to_string();
        assert_eq!(no_set, format!("nobody can be let in: there is no such set; type: {add}"));
        let no_table = SetTrouble::NoTable(set(), Ip::V6).to_string();
        assert_eq!(
            no_table,
            format!(
                "nobody can be let in: there is no table inet filter; type: nft add table inet filter && {add}"
            )
        );
    }

    #[test]
    fn an_answer_that_is_none_is_no_good_news() {
        for printed in ["", "{", "[]", "{\"nftables\": 1}", "{\"nftables\": [{\"table\": {}}, 7]}"] {
            let trouble = judge(printed, &set(), Ip::V4).unwrap_err();
            assert_eq!(trouble.to_string(), "cannot be looked at: nft says nothing of it", "{printed}");
        }
    }

    #[test]
    fn a_table_goes_by_family_and_name() {
        let tables = |family, name| {
            format!("{{\"nftables\": [{{\"table\": {{\"family\": \"{family}\", \"name\": \"{name}\"}}}}]}}")
        };
        assert!(has_table(&tables("inet", "filter"), &set()));
        assert!(!has_table(&tables("ip", "filter"), &set()));
        assert!(!has_table(&tables("inet", "nat"), &set()));
        assert!(!has_table("", &set()));
    }
}
