use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};

use tempfile::TempDir;

use super::*;
use crate::moment::Moment;
use crate::open::{DoorStanding, Tally};

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// A server whose main thread is played by the test; of the keeper nothing is ever heard.
struct Played {
    _directory: TempDir,
    _server: StatusServer,
    /// Those who would be told by the keeper.
    _keeper: Inbox<Wish>,
    place: Place,
    happened: Receiver<Event>,
}

impl Played {
    fn new() -> Played {
        let directory = TempDir::new().unwrap();
        let place = Place::within(&directory.path().join("run"), Path::new("/nonexistent/c"));
        let (events, happened) = mpsc::channel();
        let (keeper, inbox) = post().unwrap();
        let facts = Facts { config: "/c".to_owned(), dry_run: false, started: Moment::START };
        let server = StatusServer::start(&place, facts, events, keeper).unwrap();
        Played { _directory: directory, _server: server, _keeper: inbox, place, happened }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.place.path()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    /// Waits to be asked.
    fn asked(&self) -> Ask {
        match self.happened.recv_timeout(LONG).unwrap() {
            Event::StatusWanted(ask) => ask,
            other => panic!("{other:?}"),
        }
    }
}

/// How things stand with so many doors.
fn standing(doors: usize) -> Standing {
    let door = |number| DoorStanding {
        label: format!("d{number}").into(),
        tally: Tally::default(),
        pads: Vec::new(),
        keys: Vec::new(),
    };
    Standing { doors: (0..doors).map(door).collect(), leases: Vec::new() }
}

fn read(mut stream: UnixStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn doors(text: &str) -> usize {
    serde_json::from_str::<Snapshot>(text).unwrap().doors.len()
}

#[test]
fn whoever_asks_is_told_in_a_bounded_time_though_the_capture_side_says_nothing() {
    let played = Played::new();
    let stream = played.connect();
    played.asked().answer(standing(2));
    let start = Instant::now();
    let text = read(stream);
    assert_eq!(doors(&text), 2);
    assert!(text.contains("\"packets_seen\": null"), "{text}");
    assert!(start.elapsed() < EXECUTOR_ANSWERS_WITHIN, "it took {:?}", start.elapsed());
}

#[test]
fn those_who_come_while_others_are_waiting_are_told_what_is_so_then() {
    let played = Played::new();
    let first = played.connect();
    let ask = played.asked();
    let second = played.connect();
    ask.answer(standing(1));
    assert_eq!(doors(&read(first)), 1);
    played.asked().answer(standing(2));
    assert_eq!(doors(&read(second)), 2);
}

#[test]
fn whoever_does_not_read_holds_up_nobody_and_is_let_go() {
    let played = Played::new();
    let idle: Vec<UnixStream> = (0..MOST / 2).map(|_| played.connect()).collect();
    // Far more than a socket holds.
    let much = 20_000;
    let stream = played.connect();
    let happened = played.happened;
    thread::spawn(move || {
        for event in happened {
            if let Event::StatusWanted(ask) = event {
                ask.answer(standing(much));
            }
        }
    });
    assert_eq!(doors(&read(stream)), much);
    // What they have not read in time they never get.
    let start = Instant::now();
    for mut stream in idle {
        let mut hung_up = [PollFd::new(&stream, PollFlags::empty())];
        poll(&mut hung_up, Timespec::try_from(LONG).ok().as_ref()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        assert!(serde_json::from_slice::<Snapshot>(&bytes).is_err(), "it was waited for");
    }
    assert!(start.elapsed() < LONG / 2, "it took {:?}", start.elapsed());
}

#[test]
fn one_that_the_main_thread_does_not_answer_is_let_go_without_a_word() {
    let played = Played::new();
    let stream = played.connect();
    let _ask = played.asked();
    assert_eq!(read(stream), "");
    // The next one is answered.
    let stream = played.connect();
    played.asked().answer(standing(1));
    assert_eq!(doors(&read(stream)), 1);
}

#[test]
fn nobody_is_listened_to() {
    let played = Played::new();
    let mut stream = played.connect();
    stream.set_nonblocking(true).unwrap();
    // More than the kernel keeps for anybody who does not read it.
    while io::Write::write(&mut stream, &[b'x'; 4096]).is_ok() {}
    stream.set_nonblocking(false).unwrap();
    played.asked().answer(standing(1));
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    // That much was left unread shows at the end as a connection that was reset.
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        text.extend_from_slice(&buffer[..read]);
    }
    assert_eq!(doors(str::from_utf8(&text).unwrap()), 1);
}
