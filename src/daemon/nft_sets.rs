//! Looks at the sets of doors, beside whatever else there is to do.

use std::thread;
use std::time::Duration;

use log::{error, warn};

use crate::config::Config;
use crate::moment::Moment;
use crate::open::{CommandEnd, Ended, SetWord, look_at_sets};

/// How often it is looked at most because commands fail.
const QUIET: Duration = Duration::from_secs(60);

/// When the sets of a configuration are looked at.
#[derive(Debug, Default)]
pub(super) struct SetWatch {
    /// Not before this because of a command that has failed.
    next: Option<Moment>,
}

impl SetWatch {
    /// Looks at the sets of a configuration that is new, and says in the log what is wrong with them.
    pub(super) fn look(&mut self, config: &Config, now: Moment) {
        let doors: Vec<_> = config.doors.iter().filter(|door| door.stop.is_some()).cloned().collect();
        if !doors.iter().any(|door| door.nft_set.v4.is_some() || door.nft_set.v6.is_some()) {
            return;
        }
        self.next = Some(now + QUIET);
        let look = move || look_at_sets(&doors).into_iter().for_each(say);
        // Whoever waits for the start does not wait for nft.
        if let Err(error) = thread::Builder::new().name("nft sets".to_owned()).spawn(look) {
            warn!("the sets of doors are not looked at: {error}");
        }
    }

    /// Looks again after a command that has failed: a firewall that was loaded anew may lack a set.
    pub(super) fn look_after(&mut self, end: &CommandEnd, config: &Config, now: Moment) {
        if self.is_worth_another(end, now) {
            self.look(config, now);
        }
    }

    fn is_worth_another(&self, end: &CommandEnd, now: Moment) -> bool {
        let failed = !matches!(end.outcome, Ok(Ended::Exit(0)));
        failed && self.next.is_some_and(|next| next <= now)
    }
}

fn say(SetWord { door, set, trouble }: SetWord) {
    if let Some(trouble) = trouble {
        error!("{door}: nft_set {set}: {trouble}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open::LeaseKey;

    #[test]
    fn a_command_that_fails_is_a_reason_to_look_but_not_too_often() {
        let at = |seconds| Moment::after_start(Duration::from_secs(seconds));
        let end = |code| {
            let key = LeaseKey { door: "d".into(), source: "192.0.2.2".parse().unwrap() };
            CommandEnd { key, outcome: Ok(Ended::Exit(code)), complaint: String::new() }
        };
        let watch = SetWatch { next: Some(at(60)) };
        assert!(!watch.is_worth_another(&end(1), at(59)));
        assert!(watch.is_worth_another(&end(1), at(60)));
        assert!(!watch.is_worth_another(&end(0), at(60)));
        assert!(!SetWatch::default().is_worth_another(&end(1), at(60)), "there is no set");
    }
}
