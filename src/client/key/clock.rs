//! Which step of time it is, and waiting for another one.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::step::StepSeconds;
use crate::client::console::Console;

/// How much longer than a step a new one may take, for clocks that are slewed.
const SLACK: Duration = Duration::from_secs(5);

/// How long to sleep at most: the clock may be set meanwhile.
const NAP: Duration = Duration::from_millis(500);

/// Why no step of time can be used.
#[derive(Debug, thiserror::Error)]
pub(in crate::client) enum ClockError {
    #[error(
        "this host's clock says a time before 1970, and the key's sequences follow the time: set the clock"
    )]
    BeforeEpoch,
    #[error(
        "this knock needs a step of time of its own, and none has come: this host's clock was set back, or stands"
    )]
    Stands,
}

/// The step that it is, once it comes after `last`; in a dry run the one that would be waited for, at once.
pub(super) fn step_after(
    last: Option<u64>,
    step: StepSeconds,
    dry_run: bool,
    console: &mut Console,
) -> Result<u64, ClockError> {
    let Some(last) = last else { return Ok(now(step)?.0) };
    let start = Instant::now();
    loop {
        let (number, left) = now(step)?;
        if number > last {
            console.clear_progress();
            return Ok(number);
        }
        if dry_run {
            return Ok(last.saturating_add(1));
        }
        if start.elapsed() > step.duration() + SLACK {
            console.clear_progress();
            return Err(ClockError::Stands);
        }
        console.progress(format_args!("waiting for the next step of time, {} s", left.as_secs() + 1));
        thread::sleep(left.clamp(Duration::from_millis(1), NAP));
    }
}

/// The step that it is, and how long until the next one.
fn now(step: StepSeconds) -> Result<(u64, Duration), ClockError> {
    let since = SystemTime::UNIX_EPOCH.elapsed().map_err(|_| ClockError::BeforeEpoch)?;
    let number = step.mode().counter_at(since.as_secs()).unwrap_or_default();
    let end = step.duration().as_secs().saturating_mul(number.saturating_add(1));
    Ok((number, Duration::from_secs(end).saturating_sub(since)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(last: Option<u64>, dry_run: bool) -> u64 {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let console = &mut Console::new(&mut out, &mut err, false);
        step_after(last, "1".parse().unwrap(), dry_run, console).unwrap()
    }

    #[test]
    fn a_step_is_used_once() {
        let start = Instant::now();
        let first = after(None, false);
        let second = after(Some(first), false);
        assert_eq!(after(Some(second), true), second + 1);
        assert!(second > first && start.elapsed() < 10 * SLACK);
    }

    #[test]
    fn whoever_watches_is_told_what_is_waited_for() {
        let step: StepSeconds = "1".parse().unwrap();
        for watched in [true, false] {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let last = now(step).unwrap().0 + 1;
            step_after(Some(last), step, false, &mut Console::new(&mut out, &mut err, watched)).unwrap();
            let said = String::from_utf8(err).unwrap();
            assert_eq!(said.contains("\rknock: waiting for the next step of time, 1 s"), watched, "{said:?}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_is_not_waited_for_without_end() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let (step, start) = ("1".parse().unwrap(), Instant::now());
        let waited = step_after(Some(u64::MAX), step, false, &mut Console::new(&mut out, &mut err, false))
            .unwrap_err();
        assert!(matches!(waited, ClockError::Stands) && start.elapsed() < 10 * SLACK);
    }

    #[test]
    fn what_is_left_of_a_step_is_no_more_than_all_of_it() {
        let step: StepSeconds = "30".parse().unwrap();
        let (number, left) = now(step).unwrap();
        assert!(left <= step.duration() && number > 50_000_000, "{number} {left:?}");
    }
}
