//! What can be said on the command line.

use std::path::PathBuf;

use clap::{ArgGroup, Parser, ValueEnum};
use seqgen::derive::Label;
use seqgen::generate::{PortRange, Protocols};

/// Make one-time port-knock sequences and keys for them, and check files of them
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    override_usage = "seqgen -n N [OPTIONS]\n       seqgen --check FILE\n       seqgen --print FILE | --qr FILE [-n N]\n       \
                      seqgen --new-key [-o FILE]\n       seqgen --key-file FILE [--label HOST] -n N | --label-key",
    after_help = "Examples:\n  \
                  seqgen -n 50 -o seqs             # make a file of 50 sequences, to be copied to both ends\n  \
                  seqgen --check seqs              # do both ends hold the same? compare the fingerprints\n  \
                  seqgen --append seqs -n 50       # when it runs out; then copy it to the other end again\n  \
                  seqgen --new-key -o my.key       # a key in place of a file that runs out"
)]
#[command(group = ArgGroup::new("keys").args(["key_file", "check"]).multiple(true))]
pub(super) struct Args {
    /// Check a file of sequences: count its lines, and print its entropy and fingerprint; or say what a key file holds
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["count", "length", "proto", "ports", "exclude", "output", "force", "append"],
    )]
    pub(super) check: Option<PathBuf>,

    /// Print a file's unused sequences as a numbered sheet of paper, 50 to a page
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["check", "length", "proto", "ports", "exclude", "output", "force", "append"],
    )]
    pub(super) print: Option<PathBuf>,

    /// Show a file's next unused sequences, five or -n of them, as a QR code
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["check", "print", "length", "proto", "ports", "exclude", "output", "force", "append"],
    )]
    pub(super) qr: Option<PathBuf>,

    /// Make a new key, from which both ends derive sequences
    #[arg(
        long,
        conflicts_with_all = [
            "check", "print", "qr", "key_file", "count", "length", "proto", "ports", "exclude", "append",
        ],
    )]
    pub(super) new_key: bool,

    #[command(flatten)]
    pub(super) keyed: Keyed,

    #[command(flatten)]
    pub(super) making: Making,
}

/// What to derive from a key.
// Clap takes an argument that rules a required one out for a substitute; so what rules out --key-file is named again
// with each argument that needs it.
#[derive(Debug, clap::Args)]
pub(super) struct Keyed {
    /// Derive the lines from the key in this file, the same ones on both ends
    #[arg(long, value_name = "FILE", conflicts_with_all = ["check", "print", "qr"])]
    pub(super) key_file: Option<PathBuf>,

    /// With --key-file or --check: the host that they are for (without it: a label key's own, or none)
    #[arg(long, value_name = "HOST", requires = "keys", conflicts_with_all = ["print", "qr", "new_key"])]
    pub(super) label: Option<Label>,

    /// With --key-file: the counter of the first line (0 unless given); the others follow
    #[arg(
        long, value_name = "I", requires = "key_file", allow_negative_numbers = true,
        conflicts_with_all = ["check", "print", "qr", "new_key", "label_key"],
    )]
    pub(super) start: Option<u64>,

    /// With --key-file and --label: print the key for this label alone, which is all that its host needs
    #[arg(
        long,
        requires_all = ["key_file", "label"],
        conflicts_with_all = [
            "check", "print", "qr", "new_key", "count", "length", "proto", "ports", "exclude", "append",
        ],
    )]
    pub(super) label_key: bool,
}

/// What to make, and where to put it.
#[derive(Debug, clap::Args)]
pub(super) struct Making {
    /// How many lines to make (1 to 10000000), or to print
    #[arg(
        short = 'n', long, value_name = "N", required_unless_present_any = ["check", "print", "qr", "new_key", "label_key"],
        value_parser = clap::value_parser!(u64).range(1..=10_000_000),
    )]
    pub(super) count: Option<u64>,

    /// How many ports each has (3 to 32)
    #[arg(short, long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(3..=32))]
    pub(super) length: u8,

    /// Over which protocol they are hit: tcp, udp, or mixed, at random for each port
    #[arg(short, long, value_enum, default_value = "tcp", hide_possible_values = true)]
    pub(super) proto: Proto,

    /// Ports and ranges of ports to choose from
    #[arg(long, value_name = "RANGES", value_delimiter = ',', default_value = "1024-65535")]
    pub(super) ports: Vec<PortRange>,

    /// Ports and ranges of ports never to use
    #[arg(long, value_name = "RANGES", value_delimiter = ',')]
    pub(super) exclude: Vec<PortRange>,

    /// Write to a new file that only its owner can read, instead of standard output
    #[arg(short, long, value_name = "FILE", conflicts_with = "append")]
    pub(super) output: Option<PathBuf>,

    /// With --output: replace all that a file holds which exists
    // Clap lets --append, which rules --output out, stand in for it otherwise.
    #[arg(long, requires = "output", conflicts_with = "append")]
    pub(super) force: bool,

    /// Add lines that were never there to a file that exists
    #[arg(long, value_name = "FILE")]
    pub(super) append: Option<PathBuf>,
}

/// Over which protocol the ports are hit.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Proto {
    /// TCP
    Tcp,
    /// UDP
    Udp,
    /// TCP or UDP, at random for each port
    Mixed,
}

impl From<Proto> for Protocols {
    fn from(proto: Proto) -> Protocols {
        match proto {
            Proto::Tcp => Protocols::Tcp,
            Proto::Udp => Protocols::Udp,
            Proto::Mixed => Protocols::Mixed,
        }
    }
}
