//! What lets an address in and shuts it out again, each in one transaction of the kernel.
//!
//! Whether adding an element again begins its timeout anew depends on the kernel, so it is deleted and added.  A
//! transaction fails as a whole where an element is to be deleted that is not there, so that it is added before.

use std::net::IpAddr;
use std::time::Duration;

use nftables::expr::{Elem, Expression, NamedExpression};
use nftables::schema::{Element, NfCmd, NfListObject, NfObject, Nftables};
use serde_json::Value;

use super::NFT;
use crate::config::{Argv, Command, NftSet};

/// Adds the address for this long; it is never out of the set while it is renewed.
pub(in crate::open) fn admission(set: &NftSet, address: IpAddr, timeout: Duration) -> Option<Command> {
    let lasting = element(set, timed(address, timeout));
    let plain = || element(set, plain(address));
    command(vec![NfCmd::Add(plain()), NfCmd::Delete(plain()), NfCmd::Add(lasting)])
}

/// Deletes the address, which the kernel may have done already.
pub(in crate::open) fn dismissal(set: &NftSet, address: IpAddr) -> Option<Command> {
    let passing = element(set, timed(address, Duration::from_secs(1)));
    command(vec![NfCmd::Add(passing), NfCmd::Delete(element(set, plain(address)))])
}

fn plain(address: IpAddr) -> Expression<'static> {
    Expression::String(address.to_string().into())
}

fn timed(address: IpAddr, timeout: Duration) -> Expression<'static> {
    let seconds = u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX);
    Expression::Named(NamedExpression::Elem(Elem {
        val: Box::new(plain(address)),
        timeout: Some(seconds),
        expires: None,
        comment: None,
        counter: None,
    }))
}

fn element<'a>(set: &'a NftSet, elem: Expression<'a>) -> NfListObject<'a> {
    NfListObject::Element(Element {
        family: set.family(),
        table: set.table().into(),
        name: set.name().into(),
        elem: vec![elem].into(),
    })
}

fn command(commands: Vec<NfCmd<'_>>) -> Option<Command> {
    let objects: Vec<_> = commands.into_iter().map(NfObject::CmdObject).collect();
    let mut json = serde_json::to_value(Nftables { objects: objects.into() }).ok()?;
    drop_nulls(&mut json);
    Argv::new(vec![NFT.to_owned(), "-j".to_owned(), json.to_string()]).map(Command::Argv)
}

/// Leaves out what is not there: to nft(8), a counter that is null may be one all the same.
fn drop_nulls(json: &mut Value) {
    match json {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::parse;

    fn set(directive: &str) -> NftSet {
        let text = format!("[d]\nsequence = 1,9,5\ntcpflags = syn\n{directive}\n");
        let (config, report) = parse("t.conf", text.as_bytes());
        let door = config.unwrap_or_else(|| panic!("{}", report.render(false))).doors.remove(0);
        door.nft_set.v4.or(door.nft_set.v6).unwrap()
    }

    /// The commands, after the program and its only flag.
    fn commands(command: Option<Command>) -> Value {
        let Some(Command::Argv(argv)) = command else { panic!("no program") };
        let [program, flag, json] = argv.words() else { panic!("{argv:?}") };
        assert_eq!((program.as_str(), flag.as_str()), ("/usr/sbin/nft", "-j"));
        serde_json::from_str::<Value>(json).unwrap()["nftables"].take()
    }

    fn element(elem: &Value) -> Value {
        json!({"element": {"family": "inet", "table": "filter", "name": "k", "elem": [elem]}})
    }

    #[test]
    fn an_address_is_added_anew_whether_or_not_it_was_there() {
        let admission =
            admission(&set("nft_set = inet filter k"), "192.0.2.2".parse().unwrap(), Duration::from_secs(30));
        let plain = element(&json!("192.0.2.2"));
        let timed = element(&json!({"elem": {"val": "192.0.2.2", "timeout": 30}}));
        assert_eq!(commands(admission), json!([{"add": plain}, {"delete": plain}, {"add": timed}]));
    }

    #[test]
    fn an_address_is_deleted_whether_or_not_it_is_still_there() {
        let dismissal = dismissal(&set("nft_set_6 = INET filter k"), "2001:db8::2".parse().unwrap());
        let plain = element(&json!("2001:db8::2"));
        let timed = element(&json!({"elem": {"val": "2001:db8::2", "timeout": 1}}));
        assert_eq!(commands(dismissal), json!([{"add": timed}, {"delete": plain}]));
    }

    #[test]
    fn every_family_goes_by_its_own_name() {
        for family in ["inet", "ip", "bridge", "netdev"] {
            let set = set(&format!("nft_set = {family} t s"));
            assert_eq!(set.to_string(), format!("{family} t s"));
            let commands = commands(dismissal(&set, "192.0.2.2".parse().unwrap()));
            assert_eq!(commands[0]["add"]["element"]["family"], family);
        }
    }

    #[test]
    fn a_record_has_room_for_the_longest_names() {
        let long = "n".repeat(255);
        let set = set(&format!("nft_set_6 = netdev {long} {long}"));
        let address = "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap();
        assert!(dismissal(&set, address).unwrap().to_string().len() < 2048);
    }
}
