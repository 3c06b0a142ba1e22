//! The command line of knock(1).

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::Parser;
use clap::builder::NonEmptyStringValueParser;
use seqgen::derive::Label;
use seqgen::generate::PortRange;

use super::key::{Protocol, StepSeconds, parse_number};
use super::outlet::parse_source;
use super::ports::{Ports, parse_ports};
use super::wait::Wait;

/// Under which heading the help shows what goes with a key.
const KEYS: &str = "Keys";

/// The command line, as it was typed.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
#[command(
    name = "knock",
    version,
    args_override_self = true,
    about = "Hit ports of a host in order, so that its knockd opens a door",
    override_usage = "knock [OPTIONS] HOST PORT[:tcp|udp]...\n       knock [OPTIONS] --file FILE HOST\n       \
                      knock [OPTIONS] --key FILE [--label LABEL] HOST\n       \
                      knock [OPTIONS] PROFILE [-- COMMAND...]\n       knock [--config FILE] --list",
    after_help = "Examples:\n  \
                  knock -v server.example 7000 8000:udp 9000           # a fixed sequence\n  \
                  knock -f ~/seqs --wait 22 server.example             # the next line of a pad, if the port is shut\n  \
                  knock -k key --label gate --wait 22 server.example   # the next sequence of a key\n  \
                  knock office -- ssh server.example                   # as a profile says, then a command\n\n\
                  knock(1) has the rest; seqgen(1) makes pads and keys."
)]
pub struct Args {
    /// Make every hit a UDP packet (TCP is the default)
    #[arg(short, long, conflicts_with_all = ["file", "key"])]
    pub(super) udp: bool,

    /// Wait MS milliseconds between hits [default: 10]
    #[arg(short, long, value_name = "MS")]
    pub(super) delay: Option<u32>,

    /// Use an IPv4 address of the host
    #[arg(short = '4', long, conflicts_with_all = ["ipv6", "both"])]
    pub(super) ipv4: bool,

    /// Use an IPv6 address of the host
    #[arg(short = '6', long, conflicts_with = "both")]
    pub(super) ipv6: bool,

    /// Knock over IPv4 and over IPv6, as far as the host has both; with --file and --key each takes a sequence of its own
    #[arg(long, conflicts_with = "source")]
    pub(super) both: bool,

    /// Send by this interface only
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(super) interface: Option<String>,

    /// Send from this address of this host
    #[arg(long, value_name = "ADDRESS", value_parser = parse_source)]
    pub(super) source: Option<IpAddr>,

    /// Say what is hit, and which address was chosen
    #[arg(short, long)]
    pub(super) verbose: bool,

    /// Say nothing but errors
    #[arg(short, long, conflicts_with_all = ["verbose", "dry_run"])]
    pub(super) quiet: bool,

    /// Take the next one-time sequence of this file, and strike it before the first hit
    #[arg(short, long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,

    /// Derive the next one-time sequence from the key in this file
    #[arg(short, long, value_name = "FILE", conflicts_with = "file", help_heading = KEYS)]
    pub(super) key: Option<PathBuf>,

    /// The label of the door's key (without it: a label key's own, or none)
    #[arg(long, help_heading = KEYS)]
    pub(super) label: Option<Label>,

    /// Derive from the time, in steps as long as the door's (1s to 1h), not from a counter
    #[arg(long, value_name = "TIME", help_heading = KEYS)]
    pub(super) step: Option<StepSeconds>,

    /// Go on with this counter, which is not below any that was used
    #[arg(long, value_name = "N", conflicts_with = "step", allow_negative_numbers = true, value_parser = parse_number,
        help_heading = KEYS)]
    pub(super) counter: Option<u64>,

    /// The address that the server sees, where it is not the one that packets leave from
    #[arg(long = "as", value_name = "ADDRESS", value_parser = parse_source, conflicts_with_all = ["both", "unbound"],
        help_heading = KEYS)]
    pub(super) sender: Option<IpAddr>,

    /// The door's sequences are bound to nobody's address
    #[arg(long, help_heading = KEYS)]
    pub(super) unbound: bool,

    /// How many ports the door's sequences have [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(3..=32), help_heading = KEYS)]
    pub(super) length: Option<u8>,

    /// Over which protocol they are hit: tcp, udp, or mixed [default: tcp]
    #[arg(long, value_enum, hide_possible_values = true, help_heading = KEYS)]
    pub(super) proto: Option<Protocol>,

    /// Ports and ranges of ports that they are of [default: 1024-65535]
    #[arg(long = "ports", value_name = "RANGES", value_delimiter = ',', help_heading = KEYS)]
    pub(super) ranges: Option<Vec<PortRange>>,

    /// Ports and ranges of ports that they are never of
    #[arg(long, value_name = "RANGES", value_delimiter = ',', help_heading = KEYS)]
    pub(super) exclude: Option<Vec<PortRange>>,

    /// Knock only if this TCP port is shut, then wait until it is open (10 seconds at most, or SECONDS)
    #[arg(short, long, value_name = "PORT[/SECONDS]")]
    pub(super) wait: Option<Wait>,

    /// Knock up to N times more, until the port that --wait names is open
    #[arg(long, value_name = "N")]
    pub(super) retry: Option<u8>,

    /// Take two one-time sequences, one directly after the other: the way back in after many lost knocks
    #[arg(long)]
    pub(super) resync: bool,

    /// Take profiles from this file, not from ~/.config/knock/config.toml
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Show all profiles, and how many sequences each has left
    #[arg(long, conflicts_with_all = [
        "host", "udp", "delay", "ipv4", "ipv6", "both", "interface", "source", "verbose", "quiet", "file", "wait",
        "retry", "resync", "dry_run", "command", "key", "label", "step", "counter", "sender", "unbound", "length", "proto",
        "ranges", "exclude",
    ])]
    pub(super) list: bool,

    /// Show what would be hit; send nothing and strike nothing
    #[arg(long)]
    pub(super) dry_run: bool,

    /// The host to knock at: a name, an address or a profile
    #[arg(value_name = "HOST", required_unless_present = "list")]
    pub(super) host: Option<String>,

    /// The ports to hit, in order
    #[arg(
        value_name = "PORT[:tcp|udp]",
        value_parser = parse_ports,
        conflicts_with_all = ["file", "key"]
    )]
    pub(super) ports: Vec<Ports>,

    /// Run this once the knock is sent, or, with --wait, once the port is open
    #[arg(last = true, value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,
}
