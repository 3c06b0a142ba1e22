//! Real packet filters that let nothing in but what a knock lets in.

use std::process::Command;

use crate::host::Host;

/// Commands for a door that works on [`nft`]'s sets.
pub(crate) const NFT_OPEN: &str = "nft add element inet lab friends { %IP% }";
pub(crate) const NFT_CLOSE: &str = "nft delete element inet lab friends { %IP% }";
pub(crate) const NFT_OPEN_6: &str = "nft add element inet lab friends6 { %IP% }";

/// Drops whatever comes in, except for SSH from an address in a set and what IPv6 needs to find its neighbours.
const RULES: &str = "
table inet lab {
    set friends { type ipv4_addr; }
    set friends6 { type ipv6_addr; }
    chain input {
        type filter hook input priority 0; policy drop;
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        tcp dport 22 ip saddr @friends accept
        tcp dport 22 ip6 saddr @friends6 accept
    }
}";

/// A shut nftables firewall.
pub(crate) fn nft(host: &Host) {
    host.succeeds(Command::new("nft").arg(RULES));
}

/// Who is in a set of [`nft`]'s.
pub(crate) fn nft_lets_in(host: &Host, set: &str, address: &str) -> bool {
    host.succeeds(Command::new("nft").args(["list", "set", "inet", "lab", set])).contains(address)
}

/// A shut firewall made with iptables and ip6tables.
pub(crate) fn iptables(host: &Host) {
    host.succeeds(Command::new("iptables").args(["-P", "INPUT", "DROP"]));
    host.succeeds(Command::new("ip6tables").args(["-P", "INPUT", "DROP"]));
    host.succeeds(Command::new("ip6tables").args(["-A", "INPUT", "-p", "icmpv6", "-j", "ACCEPT"]));
}
