//! Opening doors and closing them: what the leases ask for, carried out.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use log::{error, info, warn};

use super::doors::{DoorState, Opener};
use super::{Executor, Outside};
use crate::config::{Command, Door};
use crate::message::Order;
use crate::moment::Moment;
use crate::open::job::{CommandEnd, Ended, Job, mishap};
use crate::open::lease::{Effect, Opening};
use crate::open::nft::{admission, dismissal};
use crate::quota::Quota;
use crate::state::{Lease, LeaseKey, LeaseStore, Left, MOST_LEASES};

impl<O: Outside> Executor<O> {
    /// Sees to the doors that an earlier run has left open.
    pub fn take_up(&mut self, left: Left, now: Moment) {
        if left.damaged > 0 {
            error!(
                "{} record(s) of open doors are damaged: look whether your firewall has doors open that nothing will \
                 close; a crash while a door was being opened leaves one, too",
                left.damaged
            );
        }
        for lease in &left.leases {
            let wait = lease.deadline.wait_from(now).as_secs();
            let when = if wait == 0 { "is closed".to_owned() } else { format!("is closed in {wait} s") };
            info!("{}: {}: left open by an earlier run, {when}", lease.key.source, lease.key.door);
        }
        let effects = self.leases.restore(left.leases, now);
        self.carry_out(effects, now);
    }

    /// A command has ended.
    pub fn command_ended(&mut self, end: &CommandEnd, now: Moment) {
        let door = &end.key.door;
        for line in end.complaint.lines().filter(|line| !line.trim().is_empty()) {
            if self.may_say(door, now) {
                info!("{door}: command says: {line}");
            }
        }
        if let Some(words) = mishap(&end.outcome)
            && self.may_say(door, now)
        {
            warn!("{door}: {words}");
        }
        let well = matches!(end.outcome, Ok(Ended::Exit(0)));
        let effects = self.leases.finished(&end.key, well, now);
        self.carry_out(effects, now);
    }

    /// Opens no more doors, and closes those that are open.
    pub fn close_all(&mut self, now: Moment) {
        self.open_no_more();
        let effects = self.leases.close_all(now);
        self.carry_out(effects, now);
    }

    /// Leaves the doors that [`Executor::close_all`] has not closed until now to the next start, which does so at once
    /// and not when their time would have been up.
    pub fn leave_due(&mut self) {
        for lease in self.leases.owed() {
            record_due(&mut self.lease_store, lease);
        }
    }

    /// Opens no more doors, and leaves those that are open to the next start.
    pub fn leave_all(&mut self) {
        self.open_no_more();
        self.leases.leave_all();
    }

    fn open_no_more(&mut self) {
        self.outside.order(Order::Stop);
        self.give_up_claims();
        self.slots.clear();
        self.unsettled.clear();
        self.next_look = None;
    }

    /// Whether no command runs and there is no door that is to be closed.
    pub fn is_idle(&self) -> bool {
        self.leases.is_idle()
    }

    /// Opens a door for whoever knocked, with a line of this pad if it has pads.
    pub(super) fn open(&mut self, index: usize, source: IpAddr, pad: Option<&Arc<str>>, now: Moment) {
        let DoorState { door, label, .. } = &self.doors[index];
        let key = LeaseKey { door: Arc::clone(label), source };
        let opening = opening_of(door, key.clone(), pad.cloned());
        let no_command =
            opening.start.is_none().then(|| format!("{label}: no command for this address family"));
        let mut effects = self.leases.open(opening, now);
        // Nobody is told that a door opens before it is certain that it will be closed.
        for effect in &mut effects {
            if let Effect::Open(lease, job) = effect {
                match (self.record(lease, now), job.take()) {
                    (Err(what_follows), _) => return self.carry_out(what_follows, now),
                    (Ok(()), Some(job)) => *effect = Effect::Run(job),
                    (Ok(()), None) => {}
                }
            }
        }
        effects.retain(|effect| !matches!(effect, Effect::Open(..)));
        if !effects.iter().any(|effect| matches!(effect, Effect::Refused(_))) {
            self.doors[index].tally.opened(now);
        }
        if self.may_say(&key.door, now) {
            self.log_opening(&key, pad.map(|name| &**name));
            if let Some(words) = no_command {
                info!("{words}");
            }
        }
        self.carry_out(effects, now);
    }

    /// Records a lease, or gives it up with its opening; what follows from that.
    fn record(&mut self, lease: &Lease, now: Moment) -> Result<(), Vec<Effect>> {
        self.lease_store.put_within(self.room(&lease.key.door), lease).map_err(|error| {
            let LeaseKey { door, source } = &lease.key;
            self.note_refusal(door, now);
            if self.may_say(door, now) {
                error!(
                    "{source}: {door}: right sequence, but not opened: that the door has to be closed again cannot \
                     be recorded in the state directory: {error}"
                );
            }
            self.leases.abandon(&lease.key, lease.id, now)
        })
    }

    /// How many doors may be open when this one opens as well.
    ///
    /// Whoever can open one for any number of forged sources, knowing its only port, must not take the room of those who
    /// know a sequence; nor must one who knows that take the room of those with a pad, each line of which opens once.
    fn room(&self, door: &Arc<str>) -> usize {
        match self.doors.iter().find(|state| state.label == *door).map(|state| &state.opener) {
            Some(Opener::Static(_, sequence)) if sequence.steps().len() == 1 => MOST_LEASES / 2,
            Some(Opener::Static(..)) => MOST_LEASES / 4 * 3,
            Some(Opener::Pads(_) | Opener::Keys(_)) | None => MOST_LEASES,
        }
    }

    /// Says that a door opens, at once or after what runs for it now; with the name of the pad if the door has several.
    fn log_opening(&mut self, key: &LeaseKey, pad: Option<&str>) {
        let several = self
            .doors
            .iter()
            .find(|state| state.label == key.door)
            .is_some_and(|state| state.opener.is_of_several());
        let by = pad.filter(|_| several).map(|name| format!(" ({name})")).unwrap_or_default();
        info!("{}: {}: OPEN SESAME{by}", self.outside.describe(key.source), key.door);
    }

    pub(super) fn carry_out(&mut self, effects: Vec<Effect>, now: Moment) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Open(lease, job) => match (self.record(&lease, now), job) {
                    (Ok(()), Some(job)) => self.run(job, now),
                    (Ok(()), None) => {}
                    (Err(what_follows), _) => effects.extend(what_follows),
                },
                Effect::Extend(lease, before, job) => {
                    let LeaseKey { door, source } = &lease.key;
                    match self.lease_store.put(&lease) {
                        Ok(()) => {
                            if self.may_say(door, now) {
                                let more = lease.deadline.wait_from(now).as_secs();
                                info!("{}: {door}: stays open for {more} s", self.outside.describe(*source));
                            }
                            if let Some(job) = job {
                                self.run(job, now);
                            }
                        }
                        Err(error) => {
                            error!("{source}: {door}: the new deadline cannot be recorded: {error}");
                            effects.extend(self.leases.shorten(&lease.key, lease.id, before, now));
                        }
                    }
                }
                Effect::Forget(id) => {
                    if let Err(error) = self.lease_store.remove(id) {
                        warn!("a closed door cannot be taken out of the state directory: {error}");
                    }
                }
                Effect::LeftOpen(lease) => {
                    let LeaseKey { door, source } = &lease.key;
                    error!("{source}: {door}: the stop command has failed; the next start tries again");
                    record_due(&mut self.lease_store, &lease);
                }
                Effect::Run(job) => self.run(job, now),
                other => self.log_effect(&other, now),
            }
        }
    }

    fn log_effect(&mut self, effect: &Effect, now: Moment) {
        let (Effect::TimedOut(key) | Effect::Retry(key, _) | Effect::GaveUp(key) | Effect::Refused(key)) =
            effect
        else {
            return;
        };
        let LeaseKey { door, source } = key;
        if matches!(effect, Effect::Refused(_)) {
            self.note_refusal(door, now);
        }
        if !self.may_say(door, now) {
            return;
        }
        match effect {
            Effect::TimedOut(_) => info!("{}: {door}: command timeout", self.outside.describe(*source)),
            Effect::Retry(_, pause) => {
                warn!("{source}: {door}: the stop command has failed; again in {} s", pause.as_secs());
            }
            Effect::GaveUp(_) if self.has_set(door, *source) => error!(
                "{source}: {door}: the address could not be taken out of the set for the last time; the kernel does so \
                 when its time is up"
            ),
            Effect::GaveUp(_) => error!(
                "{source}: {door}: the stop command has failed for the last time: the door may still be open, and \
                 nothing will close it"
            ),
            _ => warn!("{source}: {door}: too many openings wait for a command that is still running"),
        }
    }

    /// Whether this door is opened by a set, whose addresses time out.
    fn has_set(&self, door: &Arc<str>, source: IpAddr) -> bool {
        let state = self.doors.iter().find(|state| state.label == *door);
        state.is_some_and(|state| state.door.nft_set.get(source).is_some())
    }

    fn run(&mut self, job: Job, now: Moment) {
        let verb = self.mode.verb();
        if self.may_say(&job.key.door, now) {
            info!("{}: {verb}: {}", job.key.door, job.command);
        }
        self.outside.run(job);
    }

    /// Whether there is room in the log for one more line about this door: always, unless anybody can open it who comes
    /// upon its only port, or forges a packet to it.
    fn may_say(&mut self, door: &Arc<str>, now: Moment) -> bool {
        let of_one_hit = |state: &DoorState| match &state.opener {
            Opener::Static(_, sequence) => sequence.steps().len() == 1,
            Opener::Pads(_) | Opener::Keys(_) => false,
        };
        let open_to_strangers = self.doors.iter().any(|state| state.label == *door && of_one_hit(state));
        !open_to_strangers || self.quota.get_or_insert_with(|| Quota::new(now)).allows(now)
    }

    /// Says how many lines were left out, once there is room for it.
    pub(super) fn say_what_was_left_out(&mut self, now: Moment) {
        if let Some(count) = self.quota.as_mut().and_then(|quota| quota.settle(now)) {
            warn!("{count} lines about doors of one hit were left out: too many open at once");
        }
    }
}

/// What it means to open this door for whom the key names: a set's transactions or commands, with the address in place.
fn opening_of(door: &Door, key: LeaseKey, pad: Option<Arc<str>>) -> Opening {
    let source = key.source;
    let reknock = door.reknock;
    if let Some((set, stop)) = door.nft_set.get(source).as_ref().zip(door.stop.as_ref()) {
        let close = dismissal(set, source);
        // What could not be closed again is not opened.
        let start = close.as_ref().and_then(|_| admission(set, source, stop.after));
        let stop = close.map(|close| (stop.after, close));
        return Opening { key, pad, start, stop, reknock, renews_in_place: true };
    }
    let render = |command: &Option<Command>| command.as_ref().map(|command| command.render(source));
    let start = render(door.start.get(source));
    let stop = door.stop.as_ref();
    let stop = stop.and_then(|stop| Some((stop.after, render(stop.command.get(source))?)));
    Opening { key, pad, start, stop, reknock, renews_in_place: false }
}

/// Records a lease with the deadline that it has now, which has passed.
fn record_due(store: &mut LeaseStore, lease: &Lease) {
    if let Err(error) = store.put(lease) {
        let LeaseKey { door, source } = &lease.key;
        warn!("{source}: {door}: the next start closes it only when its time is up: {error}");
    }
}
