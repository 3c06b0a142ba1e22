//! What a start and a reload have in common: the configuration, and what follows from it and the command line.

use std::path::{Path, PathBuf};

use log::warn;

use super::args::Args;
use super::failure::Failure;
use crate::config::{self, Config, Report};
#[cfg(target_os = "linux")]
use crate::logging::Destinations;
use crate::message::Families;

/// The interface of a configuration that names none, as with knockd 0.8.
const DEFAULT_INTERFACE: &str = "eth0";

#[cfg(target_os = "linux")]
/// The pidfile of a configuration that names none.
const DEFAULT_PIDFILE: &str = "/run/knockd.pid";

/// The command line, and the directory that relative paths start from.
#[derive(Debug)]
pub(super) struct Setup {
    args: Args,
    base: PathBuf,
}

impl Setup {
    /// Remembers the current directory, which a daemon soon leaves.
    pub(super) fn new(args: &Args) -> Result<Setup, Failure> {
        let base =
            std::env::current_dir().map_err(Failure::system("the current directory cannot be told"))?;
        Ok(Setup { args: args.clone(), base })
    }

    #[cfg(target_os = "linux")]
    pub(super) fn args(&self) -> &Args {
        &self.args
    }

    #[cfg(target_os = "linux")]
    /// Where the configuration is.
    pub(super) fn config_path(&self) -> PathBuf {
        self.base.join(&self.args.config)
    }

    pub(super) fn families(&self) -> Families {
        if self.args.only_ipv4 { Families::Ipv4Only } else { Families::Both }
    }

    /// Reads the configuration; its paths come out absolute.
    pub(super) fn read_config(&self) -> Result<(Config, Report), Failure> {
        let (config, report) = config::load(&self.base.join(&self.args.config))?;
        Ok((config.with_paths_from(&self.base), report))
    }

    #[cfg(target_os = "linux")]
    pub(super) fn destinations(&self, config: &Config) -> Destinations {
        let file = self.args.logfile.as_ref().map(|path| self.base.join(path));
        let file = file.or_else(|| config.options.log_file.clone());
        // Whoever lets go of the terminal and names no log would log nowhere.
        let nowhere = self.args.daemon && file.is_none();
        Destinations {
            syslog: config.options.use_syslog || nowhere,
            file,
            verbose: self.args.verbose || self.args.debug,
            debug: self.args.debug,
        }
    }

    pub(super) fn interfaces(&self, config: &Config) -> Vec<String> {
        match (&self.args.interface, &config.options.interfaces) {
            (Some(name), _) => vec![name.clone()],
            (None, Some(names)) => names.clone(),
            (None, None) => vec![DEFAULT_INTERFACE.to_owned()],
        }
    }

    /// The configuration with what the command line and the defaults make of it.
    pub(super) fn effective(&self, mut config: Config) -> Result<Config, Failure> {
        config.options.interfaces = Some(self.interfaces(&config));
        #[cfg(target_os = "linux")]
        {
            let options = &mut config.options;
            let asked = |path: &Option<PathBuf>| path.as_ref().map(|path| self.base.join(path));
            options.log_file = asked(&self.args.logfile).or_else(|| options.log_file.take());
            let pid_file = asked(&self.args.pidfile).or_else(|| options.pid_file.take());
            options.pid_file = pid_file.or_else(|| Some(DEFAULT_PIDFILE.into()));
            config.options.state_dir = Some(config.options.state_dir().to_owned());
            config.options.counter_dir = Some(config.options.counter_dir());
            if config.options.user.is_none() {
                config.options.user = Some(crate::sandbox::Identity::usual()?.to_owned());
            }
        }
        Ok(config)
    }

    #[cfg(target_os = "linux")]
    /// Where the process id goes: for a daemon always somewhere, in the foreground only where `-p` asks for it.
    pub(super) fn pidfile(&self, config: &Config) -> Option<PathBuf> {
        let asked = self.args.pidfile.as_ref().map(|path| self.base.join(path));
        let configured = || config.options.pid_file.clone().unwrap_or_else(|| DEFAULT_PIDFILE.into());
        asked.or_else(|| self.args.daemon.then(configured))
    }
}

pub(super) fn log_warnings(report: &Report) {
    report.problems().iter().for_each(|problem| warn!("{}", report.line(problem)));
}

/// What a daemon with this configuration does, in a few words.
#[cfg(target_os = "linux")]
pub(super) fn summary(config: &Config, interfaces: &[String]) -> String {
    let doors = config.doors.len();
    format!("{doors} door{} on {}", if doors == 1 { "" } else { "s" }, interfaces.join(", "))
}

impl Config {
    /// The same configuration with relative paths taken from this directory.
    fn with_paths_from(mut self, base: &Path) -> Config {
        let rebase = |path: &mut PathBuf| *path = base.join(&*path);
        self.options.log_file.iter_mut().for_each(rebase);
        self.options.pid_file.iter_mut().for_each(rebase);
        self.options.state_dir.iter_mut().for_each(rebase);
        self.options.counter_dir.iter_mut().for_each(rebase);
        for door in &mut self.doors {
            match &mut door.trigger {
                config::Trigger::OneTime(pad) => pad.paths.iter_mut().for_each(rebase),
                config::Trigger::Key(key) => rebase(&mut key.path),
                config::Trigger::Static(_) => {}
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_relative_path_is_taken_from_the_directory() {
        let text = "[options]\nlogfile = 'a'\npidfile = 'b'\nstate_dir = 'c'\ncounter_dir = 'h'\n\
                    [d]\none_time_sequences = ['e', '/f', 'g']\ntcpflags = 'syn'\ncommand = 'x'\n\
                    [k]\none_time_key = 'i'\ntcpflags = 'syn'\ncommand = 'x'\n";
        let config = config::parse("t.toml", text.as_bytes()).0.unwrap().with_paths_from(Path::new("/base"));
        let in_base = |name: &str| Path::new("/base").join(name);
        assert_eq!(config.options.log_file, Some(in_base("a")));
        assert_eq!(config.options.pid_file, Some(in_base("b")));
        assert_eq!(config.options.state_dir, Some(in_base("c")));
        let config::Trigger::OneTime(pad) = &config.doors[0].trigger else { panic!("not a pad") };
        assert_eq!(pad.paths, [in_base("e"), "/f".into(), in_base("g")]);
        let config::Trigger::Key(key) = &config.doors[1].trigger else { panic!("not a key") };
        assert_eq!(key.path, in_base("i"));
        assert_eq!(config.options.counter_dir, Some(in_base("h")));
    }
}
