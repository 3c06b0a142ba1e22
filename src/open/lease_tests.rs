use super::*;

fn key(source: &str) -> LeaseKey {
    LeaseKey { door: "d".into(), source: source.parse().unwrap() }
}

fn at(seconds: u64) -> Moment {
    Moment::after_start(Duration::from_secs(seconds))
}

fn shell(text: &str) -> Command {
    Command::Shell(text.to_owned())
}

fn opening(source: &str) -> Opening {
    let stop = Some((Duration::from_secs(10), shell("stop")));
    Opening {
        key: key(source),
        pad: None,
        start: Some(shell("start")),
        stop,
        reknock: Reknock::Renew,
        renews_in_place: false,
    }
}

fn with(reknock: Reknock) -> Opening {
    Opening { reknock, ..opening(A) }
}

fn words(effects: &[Effect]) -> Vec<String> {
    let mut words = Vec::new();
    for effect in effects {
        match effect {
            Effect::Open(lease, job) => {
                words.push(format!("record {}", lease.id.number));
                words.extend(job.iter().map(|job| job.command.to_string()));
            }
            Effect::Extend(lease, before, job) => {
                words.push(format!(
                    "extend {} from {} to {}",
                    lease.id.number,
                    before.since_start().as_secs(),
                    lease.deadline.since_start().as_secs()
                ));
                words.extend(job.iter().map(|job| job.command.to_string()));
            }
            Effect::Forget(id) => words.push(format!("forget {}", id.number)),
            Effect::Run(job) => words.push(job.command.to_string()),
            Effect::TimedOut(_) => words.push("timed out".to_owned()),
            Effect::Retry(_, pause) => words.push(format!("retry in {}", pause.as_secs())),
            Effect::GaveUp(_) => words.push("gave up".to_owned()),
            Effect::LeftOpen(lease) => {
                words.push(format!("left open, due at {}", lease.deadline.since_start().as_secs()));
            }
            Effect::Refused(_) => words.push("refused".to_owned()),
        }
    }
    words
}

/// Leases whose effects are shown in words.
struct Lab(Leases);

impl Lab {
    fn new() -> Lab {
        Lab(Leases::new(7))
    }

    fn open(&mut self, opening: Opening, second: u64) -> Vec<String> {
        words(&self.0.open(opening, at(second)))
    }

    fn finished(&mut self, source: &str, second: u64) -> Vec<String> {
        words(&self.0.finished(&key(source), true, at(second)))
    }

    fn failed(&mut self, second: u64) -> Vec<String> {
        words(&self.0.finished(&key(A), false, at(second)))
    }

    fn expire(&mut self, second: u64) -> Vec<String> {
        words(&self.0.expire(at(second)))
    }
}

const A: &str = "192.0.2.2";
const B: &str = "192.0.2.3";
const NOTHING: [&str; 0] = [];

#[test]
fn a_door_opens_and_closes_after_its_time() {
    let mut lab = Lab::new();
    assert_eq!(lab.open(opening(A), 0), ["record 1", "start"]);
    assert_eq!(lab.finished(A, 1), NOTHING);
    assert_eq!(lab.0.next_deadline(), Some(at(10)));
    assert_eq!(lab.expire(9), NOTHING);
    assert_eq!(lab.expire(10), ["timed out", "stop"]);
    assert!(!lab.0.is_idle());
    assert_eq!(lab.finished(A, 11), ["forget 1"]);
    assert!(lab.0.is_idle());
}

#[test]
fn stop_waits_for_a_start_that_is_still_running() {
    let mut lab = Lab::new();
    lab.open(opening(A), 0);
    assert_eq!(lab.expire(20), NOTHING);
    assert_eq!(lab.finished(A, 21), ["timed out", "stop"]);
}

#[test]
fn a_start_that_fails_keeps_its_stop() {
    let mut lab = Lab::new();
    lab.open(opening(A), 0);
    assert_eq!(lab.failed(1), NOTHING);
    assert_eq!(lab.expire(10), ["timed out", "stop"]);
}

#[test]
fn knocking_again_closes_then_opens_and_moves_the_deadline() {
    let mut lab = Lab::new();
    lab.open(opening(A), 0);
    lab.finished(A, 1);
    assert_eq!(lab.open(opening(A), 5), ["stop"]);
    assert_eq!(lab.finished(A, 6), ["forget 1", "record 2", "start"]);
    lab.finished(A, 6);
    assert_eq!(lab.0.next_deadline(), Some(at(16)));
    assert_eq!(lab.expire(10), NOTHING);
}

#[test]
fn a_renewal_opens_also_where_the_stop_has_failed() {
    let mut lab = Lab::new();
    lab.open(opening(A), 0);
    lab.finished(A, 1);
    assert_eq!(lab.open(opening(A), 5), ["stop"]);
    assert_eq!(lab.failed(6), ["forget 1", "record 2", "start"]);
}

#[test]
fn knocking_many_times_renews_once() {
    let mut lab = Lab::new();
    lab.open(opening(A), 0);
    for second in 1..50 {
        assert_eq!(lab.open(opening(A), second), NOTHING);
    }
    assert_eq!(lab.finished(A, 50), ["timed out", "stop"]);
    assert_eq!(lab.finished(A, 51), ["forget 1", "record 2", "start"]);
    assert_eq!(lab.finished(A, 52), NOTHING);
}

#[test]
fn extending_moves_the_deadline_and_runs_nothing() {
    let mut lab = Lab::new();
    lab.open(with(Reknock::Extend), 0);
    lab.finished(A, 1);
    assert_eq!(lab.open(with(Reknock::Extend), 5), ["extend 1 from 10 to 15"]);
    assert_eq!(lab.expire(10), NOTHING);
    assert_eq!(lab.expire(15), ["timed out", "stop"]);
    assert_eq!(lab.open(with(Reknock::Extend), 15), NOTHING);
    assert_eq!(lab.finished(A, 16), ["forget 1", "record 2", "start"], "it was closed, so it opens anew");
}

#[test]
fn an_extension_that_cannot_be_recorded_leaves_the_deadline() {
    let mut lab = Lab::new();
    lab.open(with(Reknock::Extend), 0);
    lab.finished(A, 1);
    let effects = lab.0.open(with(Reknock::Extend), at(5));
    let [Effect::Extend(lease, before, None)] = &effects[..] else { panic!("{effects:?}") };
    assert!(lab.0.shorten(&lease.key, lease.id, *before, at(5)).is_empty());
    assert_eq!(lab.0.next_deadline(), Some(at(10)));
}

fn in_place(reknock: Reknock) -> Opening {
    Opening { renews_in_place: true, ..with(reknock) }
}

#[test]
fn where_the_start_renews_in_place_nothing_closes_before() {
    for reknock in [Reknock::Renew, Reknock::Extend] {
        let mut lab = Lab::new();
        assert_eq!(lab.open(in_place(reknock), 0), ["record 1", "start"]);
        lab.finished(A, 1);
        assert_eq!(lab.open(in_place(reknock), 5), ["extend 1 from 10 to 15", "start"]);
        assert_eq!(lab.open(in_place(reknock), 5), NOTHING, "one at a time");
        assert_eq!(lab.finished(A, 6), ["extend 1 from 15 to 16", "start"]);
        lab.finished(A, 6);
        assert_eq!(lab.expire(15), NOTHING);
        assert_eq!(lab.expire(16), ["timed out", "stop"]);
        assert_eq!(lab.finished(A, 16), ["forget 1"]);
        assert!(lab.0.is_idle());
    }
}

#[test]
fn what_is_open_in_another_way_is_closed_before_it_opens_in_the_new_one() {
    for reknock in [Reknock::Renew, Reknock::Extend] {
        let mut lab = Lab::new();
        let id = LeaseId { run: 1, number: 1 };
        let lease = |stop| Lease { id, key: key(A), pad: None, stop: shell(stop), deadline: at(30) };
        assert!(lab.0.restore(vec![lease("old stop")], at(20)).is_empty());
        assert_eq!(lab.open(in_place(reknock), 21), ["old stop"]);
        assert_eq!(lab.finished(A, 21), ["forget 1", "record 1", "start"]);
        let mut lab = Lab::new();
        assert!(lab.0.restore(vec![lease("stop")], at(20)).is_empty());
        assert_eq!(lab.open(in_place(reknock), 21), ["extend 1 from 30 to 31", "start"]);
    }
}

#[test]
fn a_renewal_in_place_that_cannot_be_recorded_runs_nothing_and_leaves_the_deadline() {
    let mut lab = Lab::new();
    lab.open(in_place(Reknock::Renew), 0);
    lab.finished(A, 1);
    let effects = lab.0.open(in_place(Reknock::Renew), at(5));
    let [Effect::Extend(lease, before, Some(_))] = &effects[..] else { panic!("{effects:?}") };
    assert!(lab.0.shorten(&lease.key, lease.id, *before, at(5)).is_empty());
    assert_eq!(lab.0.next_deadline(), Some(at(10)));
    assert_eq!(lab.expire(10), ["timed out", "stop"], "no command is waited for");
}

#[test]
fn a_knock_between_two_attempts_to_close_renews_in_place() {
    let mut lab = Lab::new();
    lab.open(in_place(Reknock::Renew), 0);
    lab.finished(A, 0);
    lab.expire(10);
    lab.failed(10);
    assert_eq!(lab.open(in_place(Reknock::Renew), 10), ["extend 1 from 11 to 20", "start"]);
    lab.finished(A, 10);
    assert_eq!(lab.expire(20), ["timed out", "stop"], "its time was up anew");
    assert_eq!(lab.open(in_place(Reknock::Renew), 20), NOTHING);
    assert_eq!(lab.failed(20), ["forget 1", "record 2", "start"]);
}

#[test]
fn each_opening_may_be_closed_by_itself() {
    let mut lab = Lab::new();
    assert_eq!(lab.open(with(Reknock::Run), 0), ["record 1", "start"]);
    lab.finished(A, 0);
    assert_eq!(lab.open(with(Reknock::Run), 4), ["record 2", "start"]);
    lab.finished(A, 4);
    assert_eq!(lab.expire(10), ["timed out", "stop"]);
    assert_eq!(lab.finished(A, 10), ["forget 1"]);
    assert_eq!(lab.0.next_deadline(), Some(at(14)));
    assert_eq!(lab.expire(14), ["timed out", "stop"]);
    assert_eq!(lab.finished(A, 14), ["forget 2"]);
    assert!(lab.0.is_idle());
}

#[test]
fn a_stop_that_fails_is_tried_again_and_then_given_up() {
    let mut lab = Lab::new();
    lab.open(opening(A), 0);
    lab.finished(A, 0);
    assert_eq!(lab.expire(10), ["timed out", "stop"]);
    for (now, pause) in [(10, 1), (11, 5), (16, 25)] {
        assert_eq!(lab.failed(now), [format!("retry in {pause}")]);
        assert_eq!(lab.0.next_deadline(), Some(at(now + pause)));
        assert_eq!(lab.expire(now + pause), ["stop"]);
    }
    assert_eq!(lab.failed(41), ["forget 1", "gave up"]);
    assert!(lab.0.is_idle());
}

#[test]
fn a_stop_that_works_at_the_second_attempt_is_over() {
    let mut lab = Lab::new();
    lab.open(opening(A), 0);
    lab.finished(A, 0);
    lab.expire(10);
    lab.failed(10);
    assert_eq!(lab.expire(11), ["stop"]);
    assert_eq!(lab.finished(A, 11), ["forget 1"]);
    assert!(lab.0.is_idle());
}

#[test]
fn a_knock_between_two_attempts_to_close_renews() {
    let mut lab = Lab::new();
    lab.open(opening(A), 0);
    lab.finished(A, 0);
    lab.expire(10);
    lab.failed(10);
    assert_eq!(lab.open(opening(A), 10), ["stop"]);
    assert_eq!(lab.failed(10), ["forget 1", "record 2", "start"]);
}

#[test]
fn a_lease_that_cannot_be_recorded_is_none() {
    let mut lab = Lab::new();
    let effects = lab.0.open(opening(A), at(0));
    let [Effect::Open(lease, _)] = &effects[..] else { panic!("{effects:?}") };
    assert!(lab.0.abandon(&lease.key, lease.id, at(0)).is_empty());
    assert!(lab.0.is_idle());
    assert_eq!(lab.0.next_deadline(), None);
}

#[test]
fn leases_of_an_earlier_run_are_closed_in_their_time() {
    let lease = |number, deadline| Lease {
        id: LeaseId { run: 1, number },
        key: key(A),
        pad: None,
        stop: shell(&format!("stop {number}")),
        deadline: at(deadline),
    };
    let mut lab = Lab::new();
    let effects = lab.0.restore(vec![lease(1, 5), lease(2, 30)], at(20));
    assert_eq!(words(&effects), ["timed out", "stop 1"]);
    assert_eq!(lab.finished(A, 20), ["forget 1"]);
    assert_eq!(lab.expire(30), ["timed out", "stop 2"]);
    assert_eq!(lab.finished(A, 30), ["forget 2"]);
    assert!(lab.0.is_idle());
}

#[test]
fn a_knock_renews_the_lease_of_an_earlier_run() {
    let mut lab = Lab::new();
    let id = LeaseId { run: 1, number: 1 };
    let lease = Lease { id, key: key(A), pad: None, stop: shell("old stop"), deadline: at(30) };
    assert!(lab.0.restore(vec![lease], at(20)).is_empty());
    assert_eq!(lab.open(opening(A), 21), ["old stop"]);
    assert_eq!(lab.finished(A, 21), ["forget 1", "record 1", "start"]);
}

#[test]
fn a_door_without_stop_runs_its_command_for_each_knock_in_turn() {
    let mut lab = Lab::new();
    let plain = Opening { stop: None, ..opening(A) };
    assert_eq!(lab.open(plain.clone(), 0), ["start"]);
    assert_eq!(lab.open(plain, 0), NOTHING);
    assert_eq!(lab.finished(A, 1), ["start"]);
    lab.finished(A, 2);
    assert!(lab.0.is_idle());
}

#[test]
fn waiting_openings_are_bounded() {
    for plain in [Opening { stop: None, ..opening(A) }, with(Reknock::Run)] {
        let mut lab = Lab::new();
        for _ in 0..=WAITING {
            lab.open(plain.clone(), 0);
        }
        assert_eq!(lab.open(plain, 0), ["refused"]);
    }
}

#[test]
fn addresses_do_not_wait_for_each_other() {
    let mut lab = Lab::new();
    lab.open(opening(A), 0);
    assert_eq!(lab.open(opening(B), 0), ["record 2", "start"]);
}

#[test]
fn a_family_without_a_start_command_still_closes() {
    let mut lab = Lab::new();
    let silent = Opening { start: None, ..opening(A) };
    assert_eq!(lab.open(silent, 0), ["record 1"]);
    assert_eq!(lab.expire(10), ["timed out", "stop"]);
}

#[test]
fn closing_all_runs_every_stop_once() {
    let mut lab = Lab::new();
    lab.open(opening(A), 0);
    lab.finished(A, 0);
    lab.open(opening(B), 0);
    assert_eq!(words(&lab.0.close_all(at(1))), ["timed out", "stop"]);
    assert_eq!(lab.0.owed().map(|lease| lease.deadline).collect::<Vec<_>>(), [at(1); 2]);
    assert_eq!(lab.finished(B, 2), ["timed out", "stop"]);
    assert_eq!(lab.finished(A, 2), ["forget 1"]);
    assert_eq!(lab.finished(B, 3), ["forget 2"]);
    assert_eq!(lab.0.owed().next(), None);
    assert!(lab.0.is_idle());
    assert_eq!(lab.0.next_deadline(), None);
}

#[test]
fn a_stop_that_fails_at_the_end_is_left_to_the_next_start() {
    let mut lab = Lab::new();
    lab.open(opening(A), 0);
    lab.finished(A, 0);
    assert_eq!(words(&lab.0.close_all(at(1))), ["timed out", "stop"]);
    assert_eq!(lab.failed(2), ["left open, due at 1"], "and not forgotten");
    assert!(lab.0.is_idle());
}

#[test]
fn leaving_all_closes_nothing_and_waits_for_what_runs() {
    let mut lab = Lab::new();
    lab.open(opening(A), 0);
    lab.finished(A, 0);
    lab.open(opening(B), 0);
    lab.open(opening(B), 0);
    lab.0.leave_all();
    assert!(!lab.0.is_idle());
    assert_eq!(lab.finished(B, 1), NOTHING);
    assert!(lab.0.is_idle());
    assert_eq!(lab.0.next_deadline(), None);
}
