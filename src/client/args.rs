//! The command line of knock(1), and the plan that it comes to.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use seqgen::sequence::{Protocol, SequenceError, Step};

use super::resolve::Family;

/// The command line, as it was typed.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
#[command(
    name = "knock",
    version,
    args_override_self = true,
    about = "Hit ports of a host in order, so that its knockd opens a door",
    override_usage = "knock [OPTIONS] HOST PORT[:tcp|udp]...\n       knock [OPTIONS] --file FILE HOST",
    after_help = "Examples:\n  knock -v server.example 7000 8000:udp 9000\n  knock -f ~/seqs server.example"
)]
pub struct Args {
    /// Make every hit a UDP packet (TCP is the default)
    #[arg(short, long, conflicts_with = "file")]
    udp: bool,

    /// Wait MS milliseconds between hits
    #[arg(short, long, value_name = "MS", default_value_t = 10)]
    delay: u32,

    /// Use an IPv4 address of the host
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,

    /// Use an IPv6 address of the host
    #[arg(short = '6', long)]
    ipv6: bool,

    /// Say what is hit, and which address was chosen
    #[arg(short, long)]
    verbose: bool,

    /// Take the next one-time sequence of this file, and strike it before the first hit
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Show what would be hit; send nothing and strike nothing
    #[arg(long)]
    dry_run: bool,

    /// The host to knock at: a name or an address
    #[arg(value_name = "HOST")]
    host: String,

    /// The ports to hit, in order
    #[arg(
        value_name = "PORT[:tcp|udp]",
        value_parser = parse_ports,
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    ports: Vec<Ports>,
}

/// The ports of one argument; a type of its own, as clap takes a bare `Vec` for the whole list of arguments.
#[derive(Clone, Debug)]
struct Ports(Vec<Step>);

/// Reads one argument: a port, or several joined by commas as they stand in a configuration, where copying may
/// leave a comma at the end.
fn parse_ports(text: &str) -> Result<Ports, SequenceError> {
    let list = text.strip_suffix(',').unwrap_or(text);
    list.split(',').map(|part| Step::parse(part, Protocol::Tcp)).collect::<Result<_, _>>().map(Ports)
}

/// What is to be done, in the client's own terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Name or address of the host, as it was typed.
    pub host: String,
    /// Which of its addresses will do.
    pub family: Family,
    /// Where the ports come from.
    pub source: Source,
    /// The pause between two hits.
    pub delay: Duration,
    /// Whether every hit is announced.
    pub verbose: bool,
    /// Whether everything is only shown.
    pub dry_run: bool,
}

/// Where the ports of a knock come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The command line; never empty.
    Ports(Vec<Step>),
    /// The next live line of the pad at this path.
    Pad(PathBuf),
}

impl From<Args> for Plan {
    fn from(args: Args) -> Plan {
        let over = |step: Step| if args.udp { Step { protocol: Protocol::Udp, ..step } } else { step };
        let source = match args.file {
            Some(path) => Source::Pad(path),
            None => Source::Ports(args.ports.into_iter().flat_map(|ports| ports.0).map(over).collect()),
        };
        let family = match (args.ipv4, args.ipv6) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Any,
        };
        Plan {
            host: args.host,
            family,
            source,
            delay: Duration::from_millis(args.delay.into()),
            verbose: args.verbose,
            dry_run: args.dry_run,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn plan(line: &str) -> Plan {
        Args::try_parse_from(line.split(' ')).unwrap().into()
    }

    fn refusal(line: &str) -> String {
        let error = Args::try_parse_from(line.split(' ')).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    fn ports(line: &str) -> String {
        match plan(line).source {
            Source::Ports(steps) => {
                steps.iter().map(|s| format!("{}{}", s.protocol, s.port)).collect::<Vec<_>>().join(" ")
            }
            Source::Pad(path) => panic!("took the pad {}", path.display()),
        }
    }

    #[test]
    fn is_a_consistent_command_line() {
        Args::command().debug_assert();
    }

    #[test]
    fn defaults_are_those_of_the_manual() {
        assert_eq!(
            plan("knock host 7000"),
            Plan {
                host: "host".into(),
                family: Family::Any,
                source: Source::Ports(vec![Step::parse("7000", Protocol::Tcp).unwrap()]),
                delay: Duration::from_millis(10),
                verbose: false,
                dry_run: false,
            }
        );
    }

    #[test]
    fn reads_ports_one_by_one_and_joined_by_commas() {
        assert_eq!(ports("knock host 1 2:udp 3:tcp"), "tcp1 udp2 tcp3");
        assert_eq!(ports("knock host 1,2:udp,3"), "tcp1 udp2 tcp3");
        assert_eq!(ports("knock host 1, 2:UDP, 3"), "tcp1 udp2 tcp3");
    }

    #[test]
    fn udp_overrides_the_protocol_of_every_port() {
        assert_eq!(ports("knock -u host 1 2:tcp 3:udp"), "udp1 udp2 udp3");
        assert_eq!(ports("knock host 1 --udp"), "udp1");
    }

    #[test]
    fn takes_options_anywhere_and_in_both_lengths() {
        let short = plan("knock -d 0 -4 -v host 1");
        assert_eq!(short, plan("knock host 1 --verbose --ipv4 --delay=0"));
        assert_eq!((short.delay, short.family, short.verbose), (Duration::ZERO, Family::V4, true));
        assert_eq!(plan("knock -6 host 1").family, plan("knock --ipv6 host 1").family);
        assert_eq!(plan("knock -6 host 1").family, Family::V6);
    }

    #[test]
    fn takes_a_pad_instead_of_ports() {
        assert_eq!(plan("knock -f seqs host").source, Source::Pad("seqs".into()));
        assert_eq!(plan("knock host --file seqs --dry-run").source, Source::Pad("seqs".into()));
        assert!(plan("knock host --file seqs --dry-run").dry_run);
    }

    #[test]
    fn refuses_what_contradicts_itself() {
        assert!(refusal("knock -4 -6 host 1").contains("'--ipv4' cannot be used with '--ipv6'"));
        assert!(refusal("knock -f seqs host 1").contains("cannot be used with"));
        assert!(refusal("knock -u -f seqs host").contains("cannot be used with"));
        assert!(refusal("knock host").contains("<PORT[:tcp|udp]>"));
        assert!(refusal("knock").contains("<HOST>"));
    }

    #[test]
    fn says_what_is_wrong_with_a_port() {
        assert!(refusal("knock host 70000").contains("port 70000 is out of range (1-65535)"));
        assert!(refusal("knock host 1,,2").contains("a port is missing here"));
        assert!(refusal("knock host ,").contains("a port is missing here"));
        assert!(refusal("knock host ssh").contains("`ssh` is not a port number"));
        assert!(refusal("knock host 1:sctp").contains("unknown protocol `sctp` (tcp or udp)"));
        assert!(refusal("knock -d soon host 1").contains("'soon'"));
    }
}
