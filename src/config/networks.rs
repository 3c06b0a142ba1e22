//! Networks and single addresses, as in `192.0.2.0/24`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::excerpt::excerpt;
use super::fault::Fault;
use super::lookalike;
use super::values::Word;

/// An IPv4 or IPv6 network, or an address by itself.
pub(super) fn network(word: &Word<'_>) -> Result<IpNet, Fault> {
    let text = word.value;
    if text.is_empty() {
        return Err(word.wrong("a network is missing here").hint(USUAL));
    }
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let Ok(ip) = address.parse::<IpAddr>() else {
        let hint = lookalike::hint(address).unwrap_or_else(|| USUAL.to_owned());
        return Err(word
            .error(0..address.len(), format!("`{}` is no IP address", excerpt(address)))
            .hint(hint));
    };
    let network = match prefix {
        Some(prefix) => with_prefix(ip, prefix).map_err(|hint| {
            let longest = IpNet::from(ip).max_prefix_len();
            let message = format!("`{}` is no length of a prefix (0-{longest})", excerpt(prefix));
            word.error(address.len() + 1..text.len(), message).maybe_hint(hint)
        })?,
        None => IpNet::from(ip),
    };
    refuse_never_seen(&network).map_or(Ok(network), |(message, hint)| Err(word.wrong(message).hint(hint)))
}

const USUAL: &str = "write networks such as 192.0.2.0/24 or 2001:db8::/32, or single addresses";

/// The network of this address; else a hint, where what is meant can be told.
fn with_prefix(ip: IpAddr, prefix: &str) -> Result<IpNet, Option<String>> {
    let length = prefix.parse().ok().filter(|_| prefix.bytes().all(|byte| byte.is_ascii_digit()));
    if let Some(network) = length.and_then(|length| IpNet::new(ip, length).ok()) {
        return Ok(network);
    }
    let mask = prefix.parse().ok().and_then(|mask| IpNet::with_netmask(ip, mask).ok());
    Err(mask.map(|network| format!("write {}", network.trunc())))
}

/// What is wrong with a network that no packet comes from, or that is not the one that it seems; and a hint.
fn refuse_never_seen(network: &IpNet) -> Option<(String, String)> {
    let address = network.addr();
    if let IpAddr::V6(v6) = address
        && let Some(v4) = v6.to_ipv4_mapped()
    {
        let length = network.prefix_len();
        let length =
            length.checked_sub(96).or((length <= 32).then_some(length)).filter(|length| *length < 32);
        let v4 = match length.and_then(|length| IpNet::new(v4.into(), length).ok()) {
            Some(network) => network.trunc().to_string(),
            None => v4.to_string(),
        };
        return Some((
            "no packet comes from an IPv4 address in the form of an IPv6 one".to_owned(),
            format!("write {v4}"),
        ));
    }
    if network.trunc() != *network {
        return Some((
            format!("`{network}` has bits beyond its prefix"),
            format!("the network is {}, the address alone is {address}", network.trunc()),
        ));
    }
    let is_single = network.prefix_len() == network.max_prefix_len();
    (is_single && address.is_unspecified()).then(|| {
        (format!("no packet comes from {address}"), format!("every address of the family is {address}/0"))
    })
}
