//! knockd's command line.

use std::path::PathBuf;

use clap::{ArgAction, Parser};

/// Opens doors for whoever knocks the right ports in the right order
#[derive(Clone, Debug, Parser)]
#[command(name = "knockd", version, disable_version_flag = true, disable_help_flag = true)]
pub struct Args {
    /// Read the configuration from FILE
    #[arg(short, long, value_name = "FILE", default_value = "/etc/knockd.conf")]
    pub config: PathBuf,

    /// Listen on this interface, whatever the configuration says (default there: eth0)
    #[arg(short, long, value_name = "NAME")]
    pub interface: Option<String>,

    /// Append log lines to FILE, whatever the configuration says
    #[arg(short = 'g', long, value_name = "FILE")]
    pub logfile: Option<PathBuf>,

    /// Print every log line to standard output as well
    #[arg(short, long)]
    pub verbose: bool,

    /// Log what helps in finding faults, too
    #[arg(short = 'D', long)]
    pub debug: bool,

    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,

    /// Print this help
    #[arg(short, long, action = ArgAction::Help)]
    help: Option<bool>,
}
