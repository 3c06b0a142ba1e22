use std::os::fd::OwnedFd;
use std::sync::mpsc::{self, Receiver};

use rustix::net::{RecvFlags, recv};

use super::*;
use crate::config::Sandbox;
use crate::sandbox::Identity;
use crate::supervisor::child::tests::{played, said};
use crate::supervisor::interfaces::Problem;
use crate::wire::{Frames, Loss, ORDER_SIZE, OrderMessage, Setup, Sight, decode};

/// An interface that every machine has, and two that none has.
const LO: &str = "lo";
const GONE: &str = "nosuch7";
const OTHER: &str = "nosuch8";

const CONFINEMENT: Confinement =
    Confinement { identity: Identity { uid: 65534, gid: 65534 }, strength: Sandbox::Off };

/// A keeper whose capture processes are played by the test.
struct Played {
    keeper: Keeper,
    sender: KeeperSender,
    told: Receiver<Told>,
}

impl Played {
    fn new(interfaces: &[&str]) -> Played {
        let (teller, told) = mpsc::channel();
        let tell = move |what| teller.send(what).unwrap();
        let (mut keeper, sender) = Keeper::new(Families::Both, CONFINEMENT, Clock, tell).unwrap();
        keeper.say = true;
        keeper.want(&names(interfaces));
        Played { keeper, sender, told }
    }

    fn capture(&self, interfaces: &[&str]) -> (Capture, OwnedFd) {
        let (child, theirs) = played();
        let names = names(interfaces);
        let capture = Capture::of(child, &names, Families::Both, &CONFINEMENT, self.keeper.clock.now());
        (capture, theirs)
    }

    /// Another process is on its way to open these.
    fn next(&mut self, interfaces: &[&str]) -> OwnedFd {
        let (capture, theirs) = self.capture(interfaces);
        self.keeper.fresh.extend(names(interfaces));
        self.keeper.next = Some(capture);
        theirs
    }

    /// The next process has opened its interfaces, is loaded, and takes over.
    fn takes_over(&mut self, theirs: &OwnedFd, index: u32) {
        said(theirs, [Setup::Opened { number: 0, index }, Setup::Confined]);
        self.keeper.serve();
        self.keeper.load(Plan::default());
        said(theirs, [Sight::Synced(1)]);
        self.keeper.serve();
        assert!(self.keeper.next.is_none() && self.keeper.current.is_some());
    }

    fn seen(&self) -> usize {
        self.told.try_iter().map(|told| if let Told::Seen(seen) = told { seen.len() } else { 0 }).sum()
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        let (done, _) = mpsc::channel();
        self.sender.send(Wish::End(done));
        self.keeper.obey();
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn completed(slot: u64) -> Sight {
    Sight::Completed { generation: 0, slot, source: "192.0.2.2".parse().unwrap() }
}

/// What the process has been told since the last call.
fn orders(theirs: &OwnedFd) -> Vec<OrderMessage> {
    let (mut frames, mut bytes) = (Frames::<ORDER_SIZE>::default(), vec![0; 1 << 20]);
    let Ok((read, _)) = recv(theirs, &mut bytes[..], RecvFlags::empty()) else { return Vec::new() };
    frames.add(&bytes[..read]);
    std::iter::from_fn(|| frames.next_frame().map(|frame| decode(frame).unwrap())).collect()
}

#[test]
fn interfaces_of_a_process_that_dies_before_it_opens_them_are_opened_by_another() {
    let mut played = Played::new(&[GONE]);
    drop(played.next(&[GONE]));
    // Another test that is just starting a process may hold a copy of the socket for an instant.
    while played.keeper.next.is_some() {
        played.keeper.wait();
        played.keeper.serve();
    }
    assert!(played.keeper.start_at.is_some());
    assert!(played.keeper.wanted.contains(GONE) && played.keeper.fresh.is_empty());
}

#[test]
fn a_process_lets_go_of_what_a_reload_does_not_want_before_it_has_opened_it() {
    let mut played = Played::new(&[GONE, OTHER]);
    let theirs = played.next(&[GONE, OTHER]);
    played.keeper.want(&names(&[OTHER]));
    let next = played.keeper.next.as_mut().unwrap();
    assert!(!next.has(GONE) && next.has(OTHER));
    played.keeper.serve();
    assert_eq!(orders(&theirs).last(), Some(&OrderMessage::Close { number: 0 }));
}

#[test]
fn what_became_of_an_interface_while_a_process_started_is_looked_at_when_it_takes_over() {
    let mut played = Played::new(&[LO]);
    let theirs = played.next(&[LO]);
    played.takes_over(&theirs, 4_000_000_000);
    assert!(played.keeper.look_at.is_some_and(|at| at <= played.keeper.clock.now()));
    played.keeper.look();
    assert!(played.keeper.wanted.contains(LO), "it has opened another interface of this name");
}

#[test]
fn a_process_that_does_not_get_ready_is_replaced() {
    let mut played = Played::new(&[GONE]);
    let _theirs = played.next(&[GONE]);
    played.keeper.next.as_mut().unwrap().born = Moment::START;
    played.keeper.serve();
    assert!(played.keeper.next.is_none() && played.keeper.start_at.is_some());
}

#[test]
fn an_interface_that_is_to_be_tried_again_wakes_nobody_while_no_process_can_be_started() {
    let mut played = Played::new(&[LO]);
    played.keeper.failed(LO, Problem::Passing("as a test".to_owned()));
    let due = played.keeper.interfaces.next_deadline().unwrap();
    played.keeper.start_at = Some(due + Duration::from_secs(60));
    assert_eq!(played.keeper.deadline(), played.keeper.start_at);
    played.keeper.start_at = None;
    assert_eq!(played.keeper.deadline(), Some(due));
}

#[test]
fn a_process_that_was_relieved_is_heard_to_its_end_however_late() {
    let mut played = Played::new(&[LO]);
    let first = played.next(&[LO]);
    played.takes_over(&first, 1);
    let second = played.next(&[LO, OTHER]);
    said(&first, (0..200).map(completed));
    played.keeper.told = Some(0);
    played.takes_over(&second, 1);
    played.keeper.retired.as_mut().unwrap().1 = Some(Moment::START);
    played.keeper.serve();
    assert_eq!(
        played.keeper.deadline().filter(|at| *at == Moment::START),
        None,
        "it would wake at once for ever"
    );
    drop(first);
    while played.keeper.retired.is_some() {
        played.sender.send(Wish::Next);
        played.keeper.obey();
        played.keeper.serve();
    }
    assert_eq!(played.seen(), 200);
}

#[test]
fn only_the_process_that_has_lied_is_ended() {
    let mut played = Played::new(&[LO]);
    let first = played.next(&[LO]);
    played.takes_over(&first, 1);
    let second = played.next(&[LO, OTHER]);
    played.takes_over(&second, 1);
    for (theirs, retired, current) in [(&first, false, true), (&second, false, false)] {
        said(theirs, [completed(1)]);
        played.keeper.serve();
        assert_eq!(played.seen(), 1);
        for wish in [Wish::Distrust("a lie"), Wish::Distrust("another one"), Wish::Next] {
            played.sender.send(wish);
        }
        played.keeper.obey();
        assert_eq!((played.keeper.retired.is_some(), played.keeper.current.is_some()), (retired, current));
    }
}

#[test]
fn a_lie_of_a_process_that_has_ended_since_ends_no_other() {
    let mut played = Played::new(&[LO]);
    let first = played.next(&[LO]);
    played.takes_over(&first, 1);
    said(&first, [completed(1)]);
    played.keeper.serve();
    let second = played.next(&[LO, OTHER]);
    played.takes_over(&second, 1);
    played.keeper.retired.take().unwrap().0.into_child().end();
    played.sender.send(Wish::Distrust("a lie"));
    played.keeper.obey();
    assert!(played.keeper.current.is_some());
}

/// What a process says that has opened the first of its interfaces, and could not open the second.
fn opened_the_first_alone(theirs: &OwnedFd) {
    let words = "as a test".to_owned();
    said(
        theirs,
        [
            Setup::Opened { number: 0, index: 1 },
            Setup::NotOpened { number: 1, lasting: false, words },
            Setup::Confined,
        ],
    );
}

#[test]
fn a_process_that_brings_no_interface_leaves_those_who_knock_alone() {
    let mut played = Played::new(&[LO, OTHER]);
    let first = played.next(&[LO]);
    played.takes_over(&first, 1);
    played.told.try_iter().for_each(drop);
    let serving = played.keeper.current.as_ref().unwrap().id();
    // The other one fails, and is tried again from time to time.
    let second = played.next(&[LO, OTHER]);
    played.keeper.fresh.retain(|name| name == OTHER);
    opened_the_first_alone(&second);
    played.keeper.serve();
    assert!(played.keeper.next.is_none(), "it would end every attempt on {LO}, and has nothing for it");
    assert_eq!(played.keeper.current.as_ref().unwrap().id(), serving);
    assert!(played.told.try_iter().all(|told| !matches!(told, Told::PlanWanted)));
    assert!(played.keeper.fresh.is_empty() && played.keeper.look_at.is_some());
}

#[test]
fn a_process_takes_over_an_interface_that_was_lost_meanwhile() {
    let mut played = Played::new(&[LO, OTHER]);
    let first = played.next(&[LO]);
    played.takes_over(&first, 1);
    played.told.try_iter().for_each(drop);
    let second = played.next(&[LO, OTHER]);
    said(&first, [Sight::Lost { number: 0, loss: Loss::Gone }]);
    played.keeper.serve();
    opened_the_first_alone(&second);
    played.keeper.serve();
    assert!(played.keeper.next.is_some());
    assert!(played.told.try_iter().any(|told| matches!(told, Told::PlanWanted)));
}

/// One that has been relieved, one that serves, and one that is ready, which has an interface more than the others.
fn three(busy: bool) -> (Played, [OwnedFd; 3]) {
    let mut played = Played::new(&[LO]);
    let first = played.next(&[LO]);
    played.takes_over(&first, 1);
    said(&first, (0..5).map(completed));
    played.keeper.told = busy.then_some(0);
    let second = played.next(&[LO, OTHER]);
    played.takes_over(&second, 1);
    let third = played.next(&[LO, OTHER, GONE]);
    said(&third, [Setup::Opened { number: 0, index: 1 }, Setup::Confined]);
    played.keeper.serve();
    played.keeper.load(Plan::default());
    said(&third, [Sight::Synced(1)]);
    played.keeper.serve();
    (played, [first, second, third])
}

fn goes_on_until_the_third_serves(played: &mut Played) {
    let end = played.keeper.clock.now() + Duration::from_secs(10);
    while !serving(played, GONE) {
        assert!(played.keeper.clock.now() < end, "it never does");
        played.sender.send(Wish::Next);
        played.keeper.obey();
        played.keeper.serve();
    }
}

fn serving(played: &Played, name: &str) -> bool {
    played.keeper.current.as_ref().is_some_and(|capture| capture.has(name))
}

#[test]
fn a_process_that_was_relieved_is_heard_to_its_end_though_another_one_is_ready() {
    let (mut played, [first, _second, _third]) = three(true);
    assert!(played.keeper.retired.as_ref().is_some_and(|(capture, _)| !capture.has(OTHER)));
    drop(first);
    goes_on_until_the_third_serves(&mut played);
    assert_eq!(played.seen(), 5, "what it had seen is lost");
}

#[test]
fn a_process_that_is_ready_waits_for_none_if_nobody_serves() {
    let (mut played, [first, second, _third]) = three(false);
    assert!(played.keeper.next.is_some() && !serving(&played, GONE));
    drop(second);
    goes_on_until_the_third_serves(&mut played);
    assert!(played.keeper.retired.is_some(), "the first one is heard still");
    drop(first);
}

#[test]
fn a_process_that_says_again_and_again_that_its_interface_is_gone_is_not_replaced_at_once() {
    let mut played = Played::new(&[LO]);
    let index = Host::look().unwrap().find(LO).unwrap().index;
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let theirs = played.next(&[LO]);
        played.takes_over(&theirs, index);
        said(&theirs, [Sight::Lost { number: 0, loss: Loss::Gone }]);
        played.keeper.serve();
        assert!(played.keeper.wanted.contains(LO));
        let now = played.keeper.clock.now();
        pauses.push(played.keeper.start_at.map_or(Duration::ZERO, |at| at.wait_from(now)));
        // As if one were started.
        played.keeper.start_at = None;
        played.keeper.wanted.clear();
    }
    assert_eq!(pauses[0], Duration::ZERO, "an interface can be made anew with the same number");
    assert!(pauses[5] > Duration::from_millis(50), "{pauses:?}");
}

#[test]
fn a_process_that_answers_nothing_is_replaced() {
    let mut played = Played::new(&[LO]);
    let theirs = played.next(&[LO]);
    played.takes_over(&theirs, 1);
    let check = |played: &mut Played| {
        played.sender.send(Wish::Check);
        played.keeper.obey();
        played.keeper.serve();
        played.keeper.current.as_mut().map(|capture| capture.asked = capture.asked.and(Some(Moment::START)))
    };
    check(&mut played);
    let Some(OrderMessage::Sync(number)) = orders(&theirs).pop() else { panic!("it was not asked") };
    said(&theirs, [Sight::Synced(number)]);
    assert!(check(&mut played).is_some(), "its answer was there, only not heard");
    assert_eq!(played.keeper.current.as_ref().unwrap().asked, None);
    assert!(orders(&theirs).is_empty(), "it owed an answer when it was to be asked");
    check(&mut played);
    assert_eq!(orders(&theirs), [OrderMessage::Sync(number + 1)]);
    assert!(check(&mut played).is_none() && played.keeper.start_at.is_some());
}

#[test]
fn an_answer_that_nobody_asked_for_is_a_lie() {
    for number in [1, 2] {
        let mut played = Played::new(&[LO]);
        let theirs = played.next(&[LO]);
        played.takes_over(&theirs, 1);
        said(&theirs, [Sight::Synced(number)]);
        played.keeper.serve();
        assert!(played.keeper.current.is_none());
    }
}

/// Asks how the capture is, and lets the keeper see to it; what it says behind what it says at once.
fn asked(played: &mut Played) -> Receiver<CaptureStatus> {
    let (tell, told) = mpsc::channel();
    played.sender.send(Wish::Status(Box::new(move |status| drop(tell.send(status)))));
    played.keeper.obey();
    played.keeper.serve();
    let at_once = told.try_recv().unwrap();
    assert_eq!(at_once.counters, None);
    assert!(at_once.process.is_some());
    told
}

fn counters(packets: u64) -> Counters {
    Counters { packets, dropped: 2, guarded: 3 }
}

#[test]
fn how_much_was_seen_is_asked_of_the_process_only_when_somebody_wants_to_know() {
    let mut played = Played::new(&[LO]);
    let theirs = played.next(&[LO]);
    played.takes_over(&theirs, 1);
    orders(&theirs);
    let told = asked(&mut played);
    assert_eq!(orders(&theirs), [OrderMessage::Count(1)]);
    assert!(told.try_recv().is_err(), "answered before the process has");
    said(&theirs, [Sight::Counted(1, counters(7))]);
    played.keeper.serve();
    let status = told.try_recv().unwrap();
    assert_eq!(status.counters, Some(counters(7)));
    assert_eq!(status.interfaces, [(LO.to_owned(), InterfaceState::Listening)]);
    assert_eq!(status.process.map(|(id, _)| id), played.keeper.current.as_ref().map(Capture::id));
}

#[test]
fn a_process_that_does_not_say_how_much_it_has_seen_is_not_asked_again_and_the_last_asker_is_told() {
    let mut played = Played::new(&[LO]);
    let theirs = played.next(&[LO]);
    played.takes_over(&theirs, 1);
    orders(&theirs);
    let first = asked(&mut played);
    let second = asked(&mut played);
    assert_eq!(orders(&theirs), [OrderMessage::Count(1)]);
    said(&theirs, [Sight::Counted(1, counters(7))]);
    played.keeper.serve();
    assert!(first.try_recv().is_err(), "whoever asked first has given up");
    assert_eq!(second.try_recv().unwrap().counters, Some(counters(7)));
}

#[test]
fn counters_that_no_honest_process_says_end_it_and_the_asker_is_told_without() {
    // Nobody has asked, another number than was asked for, fewer than before.
    for lie in [None, Some(2), Some(1)] {
        let mut played = Played::new(&[LO]);
        let theirs = played.next(&[LO]);
        played.takes_over(&theirs, 1);
        if lie == Some(1) {
            asked(&mut played);
            said(&theirs, [Sight::Counted(1, counters(7))]);
            played.keeper.serve();
        }
        let told = lie.map(|_| asked(&mut played));
        let number = lie.map_or(1, |_| 2);
        said(&theirs, [Sight::Counted(number, counters(6))]);
        played.keeper.serve();
        assert!(played.keeper.current.is_none(), "{lie:?}");
        if let Some(told) = told {
            let status = told.try_recv().unwrap();
            assert_eq!((status.process, status.counters), (None, None), "{lie:?}");
        }
    }
}

#[test]
fn whoever_asks_while_there_is_no_process_or_another_takes_over_is_told() {
    let mut played = Played::new(&[LO]);
    let (tell, told) = mpsc::channel();
    played.sender.send(Wish::Status(Box::new(move |status| drop(tell.send(status)))));
    played.keeper.obey();
    assert_eq!(told.try_recv().unwrap().process, None);
    assert!(told.recv().is_err(), "there is nobody from whom more is to be heard");
    let first = played.next(&[LO]);
    played.takes_over(&first, 1);
    let told = asked(&mut played);
    let second = played.next(&[LO, OTHER]);
    played.takes_over(&second, 1);
    assert!(told.try_recv().is_err());
    played.keeper.serve();
    assert!(orders(&second).contains(&OrderMessage::Count(1)));
    said(&second, [Sight::Counted(1, counters(9))]);
    played.keeper.serve();
    assert_eq!(told.try_recv().unwrap().counters, Some(counters(9)));
}
