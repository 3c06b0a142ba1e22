//! knockd's command line.

use std::path::PathBuf;

use clap::{ArgAction, Parser};

use super::counter_wish::InitCounter;
use crate::config::is_interface_name;

/// What says how to listen, or how to check: of no use to whoever only asks or sets something.
// Clap takes an argument that rules a required one out for a substitute; so what rules that out is named again with each
// argument that needs it.
const OF_A_START: [&str; 12] = [
    "check",
    "daemon",
    "debug",
    "dry_run",
    "interface",
    "logfile",
    "lookup",
    "only_ipv4",
    "pidfile",
    "read",
    "show",
    "verbose",
];

/// Opens doors for whoever knocks the right ports in the right order
#[derive(Clone, Debug, Parser)]
#[command(
    name = "knockd",
    version,
    disable_version_flag = true,
    disable_help_flag = true,
    override_usage = "knockd [-d] [OPTIONS]\n       knockd --check | --status | --read FILE [OPTIONS]\n       \
                      knockd --init-counter DOOR=N [-c FILE]",
    after_help = "Examples:\n  \
                  knockd --check            # what is wrong with the configuration, and how to mend it\n  \
                  knockd --dry-run -v       # listen, and only say what would be run\n  \
                  knockd -d                 # open doors, in the background\n  \
                  knockd --status           # how that one is, and which doors are open\n  \
                  knockd --init-counter ssh=0   # a new key of the door [ssh] begins\n\n\
                  Doors are configured as knockd.conf(5) says; seqgen(1) makes one-time sequences and keys."
)]
#[expect(clippy::struct_excessive_bools, reason = "these are flags")]
pub struct Args {
    /// Read the configuration from FILE
    #[arg(short, long, value_name = "FILE", default_value = "/etc/knockd.conf")]
    pub config: PathBuf,

    /// Listen on this interface, whatever the configuration says (default there: eth0)
    #[arg(short, long, value_name = "NAME", value_parser = interface_name)]
    pub interface: Option<String>,

    /// Go on in the background, as soon as it listens
    #[arg(short, long)]
    pub daemon: bool,

    /// Write the daemon's process id to FILE, whatever the configuration says
    #[arg(short, long, value_name = "FILE")]
    pub pidfile: Option<PathBuf>,

    /// Append log lines to FILE, whatever the configuration says
    #[arg(short = 'g', long, value_name = "FILE")]
    pub logfile: Option<PathBuf>,

    /// Look up names for addresses in the log
    #[arg(short, long)]
    pub lookup: bool,

    /// Ignore IPv6
    #[arg(short = '4', long = "only-ip-v4")]
    pub only_ipv4: bool,

    /// Print every log line to standard output as well
    #[arg(short, long)]
    pub verbose: bool,

    /// As --verbose, and log what helps in finding faults, too
    #[arg(short = 'D', long)]
    pub debug: bool,

    /// Check the configuration as a start would, say all that is wrong with it, and end
    #[arg(long, conflicts_with_all = ["daemon", "read"])]
    pub check: bool,

    /// With --check, print the configuration as it takes effect: as TOML, with every default spelt out
    #[arg(long, requires = "check", conflicts_with_all = ["daemon", "read"])]
    pub show: bool,

    /// Say how the running daemon with this configuration file is, and end
    #[arg(long, conflicts_with_all = OF_A_START)]
    pub status: bool,

    /// With --status: as JSON
    #[arg(long, requires = "status", conflicts_with_all = OF_A_START)]
    pub json: bool,

    /// With --status: as text for Prometheus
    #[arg(long, requires = "status", conflicts_with_all = OF_A_START, conflicts_with = "json")]
    pub prometheus: bool,

    /// Set the counter of a door's key, where DOOR/NAME is one key of several, and end; it never goes back
    #[arg(long, value_name = "DOOR=N", conflicts_with_all = OF_A_START, conflicts_with_all = ["json", "prometheus", "status"])]
    pub init_counter: Option<InitCounter>,

    /// Log commands instead of running them, and leave pads as they are
    #[arg(long)]
    pub dry_run: bool,

    /// Say what the doors make of recorded packets (tcpdump -w FILE), and end
    #[arg(long, value_name = "FILE", conflicts_with_all = ["daemon", "interface", "pidfile", "logfile", "lookup"])]
    pub read: Option<PathBuf>,

    /// Set for the process that captures packets, whose standard input is a socket
    #[arg(long, hide = true)]
    pub(super) capture: bool,

    /// Set for the process that goes on in the background
    #[arg(long, hide = true)]
    pub(super) detached: bool,

    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,

    /// Print this help
    #[arg(short, long, action = ArgAction::Help)]
    help: Option<bool>,
}

fn interface_name(text: &str) -> Result<String, String> {
    if is_interface_name(text) {
        return Ok(text.to_owned());
    }
    Err("no interface can have this name, which would have 1 to 15 characters, none of them a slash, a comma, a \
         quote or a blank; `ip link` lists those there are"
        .to_owned())
}
