use super::*;

const UP: Option<Present> = Some(Present { index: 3, up: true });
const DOWN: Option<Present> = Some(Present { index: 3, up: false });
const OTHER: Option<Present> = Some(Present { index: 4, up: true });

fn at(milliseconds: u64) -> Moment {
    Moment::after_start(Duration::from_millis(milliseconds))
}

fn wanting(names: &[&str]) -> Interfaces {
    let mut interfaces = Interfaces::default();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(interfaces.want(&names), []);
    interfaces
}

/// `eth0`, open as interface 3 since the start.
fn open() -> Interfaces {
    let mut interfaces = wanting(&["eth0"]);
    assert_eq!(interfaces.saw("eth0", UP, false), [open_it()]);
    interfaces.opened("eth0", 3, at(0));
    interfaces
}

fn open_it() -> Step {
    Step::Open("eth0".to_owned())
}

fn close_it() -> Step {
    Step::Close("eth0".to_owned())
}

fn say(news: News) -> Step {
    Step::Say("eth0".to_owned(), news)
}

fn broken() -> Problem {
    Problem::Passing("broken".to_owned())
}

fn failing() -> Step {
    say(News::Failing("broken".to_owned()))
}

#[test]
fn a_missing_one_is_told_once_and_waited_for_without_a_deadline() {
    let mut eth0 = wanting(&["eth0"]);
    assert_eq!(eth0.saw("eth0", None, false), [say(News::Missing)]);
    assert_eq!(eth0.saw("eth0", None, false), []);
    assert_eq!((eth0.next_deadline(), eth0.due(at(60_000))), (None, vec![]));
    assert_eq!(eth0.saw("eth0", UP, false), [open_it()]);
}

#[test]
fn one_that_is_down_is_waited_for_without_a_deadline() {
    let mut eth0 = wanting(&["eth0"]);
    assert_eq!(eth0.saw("eth0", DOWN, false), [say(News::Down)]);
    assert_eq!(eth0.saw("eth0", DOWN, false), []);
    assert_eq!(eth0.next_deadline(), None);
    assert_eq!(eth0.saw("eth0", UP, false), [open_it()]);
}

#[test]
fn down_and_up_keeps_the_handle() {
    let mut eth0 = open();
    assert_eq!(eth0.listening(), ["eth0"]);
    assert_eq!(eth0.saw("eth0", DOWN, true), [say(News::Down)]);
    assert_eq!(eth0.listening(), [""; 0]);
    assert_eq!(eth0.saw("eth0", DOWN, true), []);
    assert_eq!(eth0.saw("eth0", UP, true), [say(News::Up)]);
    assert_eq!(eth0.saw("eth0", UP, true), []);
}

#[test]
fn a_deleted_one_is_closed_and_opened_when_it_is_back() {
    let mut eth0 = open();
    assert_eq!(eth0.saw("eth0", None, false), [close_it(), say(News::Gone)]);
    assert_eq!(eth0.saw("eth0", None, false), []);
    assert_eq!(eth0.next_deadline(), None);
    assert_eq!(eth0.saw("eth0", OTHER, false), [open_it()]);
}

#[test]
fn one_that_was_replaced_between_two_looks_is_opened_anew() {
    assert_eq!(open().saw("eth0", OTHER, false), [close_it(), say(News::Gone), open_it()]);
    assert_eq!(
        open().saw("eth0", UP, false),
        [close_it(), say(News::Gone), open_it()],
        "with the same number"
    );
    assert_eq!(open().saw("eth0", OTHER, true), [close_it(), say(News::Gone), open_it()], "by a renaming");
    assert_eq!(open().saw("eth0", DOWN, false), [close_it(), say(News::Gone), say(News::Down)]);
}

#[test]
fn errors_are_retried_ever_more_slowly_and_told_once() {
    let mut eth0 = open();
    let mut now = at(20_000);
    assert_eq!(eth0.failed("eth0", broken(), UP, now), [failing()]);
    let mut pauses = Vec::new();
    for _ in 0..10 {
        let again = eth0.next_deadline().unwrap();
        assert_eq!(eth0.due(again.back(Duration::from_nanos(1))), []);
        assert_eq!(eth0.saw("eth0", UP, false), [], "other interfaces' changes should not hurry it");
        pauses.push(again.wait_from(now).as_millis());
        now = again;
        assert_eq!(eth0.due(now), [open_it()]);
        assert_eq!(eth0.failed("eth0", broken(), UP, now), []);
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
    let other = Problem::Passing("worse".to_owned());
    assert_eq!(eth0.failed("eth0", other, UP, now), [say(News::Failing("worse".to_owned()))]);
}

#[test]
fn one_that_fails_as_soon_as_it_is_open_does_not_spin() {
    let mut eth0 = open();
    let mut now = at(20_000);
    eth0.failed("eth0", broken(), UP, now);
    for pause in [200, 400, 800] {
        now = eth0.next_deadline().unwrap();
        eth0.opened("eth0", 3, now);
        assert_eq!(eth0.next_deadline(), None);
        eth0.failed("eth0", broken(), UP, now);
        assert_eq!(eth0.next_deadline(), Some(now + Duration::from_millis(pause)));
    }
    now = eth0.next_deadline().unwrap();
    eth0.opened("eth0", 3, now);
    now = now + STEADY;
    eth0.failed("eth0", broken(), UP, now);
    assert_eq!(eth0.next_deadline(), Some(now + FIRST_PAUSE), "it had worked for a while");
}

#[test]
fn an_error_that_a_deletion_explains_is_none() {
    let mut eth0 = open();
    assert_eq!(eth0.failed("eth0", broken(), None, at(1)), [say(News::Gone)]);
    assert_eq!(eth0.next_deadline(), None);
    let mut eth0 = wanting(&["eth0"]);
    assert_eq!(eth0.saw("eth0", UP, false), [open_it()]);
    assert_eq!(eth0.failed("eth0", broken(), None, at(1)), [say(News::Missing)]);
}

#[test]
fn an_error_that_being_down_explains_is_none() {
    let mut eth0 = open();
    assert_eq!(eth0.failed("eth0", broken(), DOWN, at(1)), [say(News::Down)]);
    assert_eq!(eth0.saw("eth0", UP, false), [open_it()]);
    let mut eth0 = open();
    assert_eq!(eth0.saw("eth0", DOWN, true), [say(News::Down)]);
    assert_eq!(eth0.failed("eth0", broken(), DOWN, at(1)), [], "that was said already");
    assert_eq!((eth0.next_deadline(), eth0.saw("eth0", UP, false)), (None, vec![open_it()]));
}

#[test]
fn one_that_failed_is_opened_at_once_when_it_has_changed() {
    let mut eth0 = open();
    eth0.failed("eth0", broken(), UP, at(1));
    assert_eq!(eth0.saw("eth0", OTHER, false), [open_it()]);
    assert_eq!(eth0.saw("eth0", DOWN, false), [say(News::Down)]);
    assert_eq!(eth0.next_deadline(), None);
    assert_eq!(eth0.saw("eth0", UP, false), [open_it()]);
}

#[test]
fn one_that_cannot_be_understood_is_left_alone_until_it_changes() {
    let mut eth0 = wanting(&["eth0"]);
    let odd = || Problem::Lasting("odd".to_owned());
    assert_eq!(eth0.failed("eth0", odd(), UP, at(1)), [say(News::Refused("odd".to_owned()))]);
    assert_eq!((eth0.next_deadline(), eth0.saw("eth0", UP, false)), (None, vec![]));
    assert_eq!(eth0.saw("eth0", OTHER, false), [open_it()]);
    assert_eq!(eth0.saw("eth0", None, false), [say(News::Gone)]);
}

#[test]
fn what_is_wanted_no_longer_is_closed_and_the_others_are_left_alone() {
    let mut both = open();
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(both.want(&names(&["lo", "eth0"])), []);
    assert_eq!((both.names(), both.listening()), (names(&["lo", "eth0"]), names(&["eth0"])));
    assert_eq!(both.saw("eth0", UP, true), []);
    assert_eq!(both.want(&names(&["lo"])), [close_it()]);
    assert_eq!(both.saw("eth0", UP, false), [], "nobody asks for it any more");
    assert_eq!(both.failed("eth0", broken(), UP, at(1)), []);
    assert_eq!(both.want(&[]), [], "lo was never open");
}
