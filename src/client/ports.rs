//! Ports as a person writes them: one by one, or joined by commas.

use seqgen::sequence::{Protocol, SequenceError, Step};

/// The ports of one argument; a type of its own, as clap takes a bare `Vec` for the whole list of arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ports(pub(super) Vec<Step>);

/// Reads one argument: a port, or several joined by commas as they stand in a configuration, where copying may
/// leave a comma at the end.
pub(super) fn parse_ports(text: &str) -> Result<Ports, SequenceError> {
    let list = text.strip_suffix(',').unwrap_or(text);
    list.split(',').map(|part| Step::parse(part, Protocol::Tcp)).collect::<Result<_, _>>().map(Ports)
}
