use std::process::Command;

use super::*;
use crate::wire::encode;

/// A process that does nothing, and the end of its socket at which a test plays it.
pub(in crate::supervisor) fn played() -> (Child, OwnedFd) {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
    // It ends when nobody holds the other end of its standard input any more.
    let process = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    (Child::of(process, ours), theirs)
}

/// Says these as the capture process.
pub(in crate::supervisor) fn said<T: serde::Serialize>(
    theirs: &OwnedFd,
    messages: impl IntoIterator<Item = T>,
) {
    let bytes: Vec<u8> =
        messages.into_iter().flat_map(|message| encode::<_, SIGHTING_SIZE>(&message).unwrap()).collect();
    assert_eq!(send(theirs, &bytes, SendFlags::NOSIGNAL), Ok(bytes.len()));
}

fn at(second: u64) -> Moment {
    Moment::after_start(Duration::from_secs(second))
}

/// Hears everything until it has ended.
fn hear(child: &mut Child) -> usize {
    let mut count = 0;
    loop {
        let went = child.exchange();
        count += std::iter::from_fn(|| child.next()).count();
        if went.is_err() {
            return count;
        }
        // Another test that is just starting a process may hold a copy of the socket for an instant.
        poll(&mut [PollFd::new(&child.socket, PollFlags::IN)], None).unwrap();
    }
}

#[test]
fn all_that_a_process_has_said_is_heard_though_it_has_ended_and_orders_wait() {
    let (mut child, theirs) = played();
    said(&theirs, (0..200).map(|number| Setup::Opened { number, index: 1 }));
    child.say([OrderMessage::Look]);
    drop(theirs);
    assert_eq!(hear(&mut child), 200);
    child.end();
}

#[test]
fn whoever_speaks_and_never_listens_is_not_heard_any_more() {
    let (mut child, theirs) = played();
    let mut heard = 0;
    for number in 0..100_000 {
        if child.queue.len() > 2 * MOST_WAITING {
            break;
        }
        let bytes: [u8; SIGHTING_SIZE] = encode(&Setup::Opened { number, index: 1 }).unwrap();
        let _ = send(&theirs, &bytes, SendFlags::NOSIGNAL);
        child.exchange().unwrap();
        while child.next().is_some() {
            heard += 1;
            child.say([OrderMessage::Look]);
        }
    }
    assert!(heard > MOST_WAITING && child.queue.len() <= MOST_WAITING + 64, "{}", child.queue.len());
    assert!(!child.poll_fd().revents().contains(PollFlags::IN));
    // It listens again, and is heard.
    let mut bytes = [0; 64 * ORDER_SIZE];
    while child.has_unsent() {
        recv(&theirs, &mut bytes[..], RecvFlags::empty()).unwrap();
        child.send().unwrap();
    }
    let before = child.frames.next_frame().is_some();
    child.exchange().unwrap();
    assert!(!before && child.next().is_some());
    child.end();
}

#[test]
fn whoever_takes_in_nothing_for_long_is_deaf() {
    let (mut child, theirs) = played();
    child.say(std::iter::repeat_n(OrderMessage::Look, 100_000));
    child.send().unwrap();
    assert!(child.listens(at(0)), "something was sent");
    while child.has_unsent() && std::mem::take(&mut child.moved) {
        child.send().unwrap();
    }
    assert!(child.has_unsent(), "the socket is full");
    assert!(child.listens(at(100)) && child.listens(at(109)));
    assert_eq!(child.deaf_at(), Some(at(110)));
    assert!(!child.listens(at(110)));
    let mut bytes = vec![0; 1 << 20];
    recv(&theirs, &mut bytes[..], RecvFlags::empty()).unwrap();
    child.send().unwrap();
    assert!(child.listens(at(111)), "it was only slow");
    assert_eq!(child.deaf_at(), None);
    child.end();
}

#[test]
fn whoever_says_much_while_it_takes_in_nothing_is_no_honest_process() {
    let (mut child, theirs) = played();
    child.say(std::iter::repeat_n(OrderMessage::Look, 100_000));
    child.send().unwrap();
    while std::mem::take(&mut child.moved) {
        child.send().unwrap();
    }
    assert!(child.listens(at(0)) && child.stuck.is_some(), "the socket is full");
    let speaks = |child: &mut Child, times: u32| {
        for number in 0..times {
            said(&theirs, [Setup::Opened { number, index: 1 }]);
            child.exchange().unwrap();
            assert!(child.next().is_some());
        }
    };
    speaks(&mut child, 1024);
    assert!(child.listens(at(0)), "one batch of packets can have so much to tell");
    speaks(&mut child, 1);
    assert!(!child.listens(at(0)));
    let mut bytes = vec![0; 1 << 20];
    recv(&theirs, &mut bytes[..], RecvFlags::empty()).unwrap();
    child.send().unwrap();
    assert!(child.listens(at(0)), "it has listened since");
    child.end();
}
