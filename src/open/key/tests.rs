use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use seqgen::derive::{Form, Key, KeyMaterial, Label};
use seqgen::generate::{Pool, PortRange, Protocols, Shape};
use tempfile::TempDir;

use super::*;
use crate::open::window::{Extent, Use, Window as _};

/// A key on disk with a window over it.
struct Lab {
    directory: TempDir,
    key: DoorKey,
    slots: SlotCounter,
    spent: Spent,
    unix_time: u64,
    in_earnest: bool,
}

fn source(path: PathBuf, mode: Mode) -> KeySource {
    let pool = Pool::new(&[PortRange::UNPRIVILEGED], &[]);
    let form = Form::new(Shape { length: 5, protocols: Protocols::Tcp, pool }).unwrap();
    let window = 3.try_into().unwrap();
    KeySource { path, label: None, mode, bind: false, form: Arc::new(form), window, resync: 4 }
}

fn seconds(step: u32) -> Mode {
    Mode::Time { step: step.try_into().unwrap() }
}

impl Lab {
    fn new(mode: Mode) -> Lab {
        crate::trust::set_usual_umask();
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("key");
        write_key(&path, 1);
        let counters: Arc<Path> = directory.path().into();
        let key = DoorKey::new(PadId(1), path.clone(), "key".into(), source(path, mode), counters);
        let (slots, spent) = (SlotCounter::default(), Spent::in_memory());
        Lab { directory, key, slots, spent, unix_time: 0, in_earnest: true }
    }

    /// One whose counter is at this number.
    fn counting(next: u64) -> Lab {
        let mut lab = Lab::new(Mode::Counter);
        LockedCounter::create(&lab.counter(), next).unwrap();
        assert_eq!(lab.look(), None);
        lab
    }

    fn counter(&self) -> PathBuf {
        let key = Key::from_bytes([1; 32]).label_key(&Label::default());
        let mode = self.key.source.mode;
        Loaded::new(key, mode, &self.spent).counter_path(self.directory.path())
    }

    /// Looks again; what there is to say of trouble.
    fn look(&mut self) -> Option<String> {
        match self.look_and_move().news {
            Some(News::Trouble(words) | News::Fine(words) | News::Odd(words)) => Some(words),
            None => None,
        }
    }

    fn look_and_move(&mut self) -> Moved {
        let around = Surroundings {
            door: "ssh",
            spent: &self.spent,
            unix_time: self.unix_time,
            in_earnest: self.in_earnest,
            owner: &|_| None,
        };
        self.key.look(&mut self.slots, &around, &mut |_| {})
    }

    /// The counters that are armed.
    fn armed(&self) -> Vec<u64> {
        self.key.held.iter().map(|held| held.counter).collect()
    }

    fn slot(&self, counter: u64) -> SlotId {
        self.key.held.iter().find(|held| held.counter == counter).unwrap().slot
    }

    fn use_up(&mut self, counter: u64, extent: Extent) -> Use {
        let slot = self.slot(counter);
        let mut gone = Vec::new();
        let used = if self.in_earnest {
            self.key.use_up(slot, extent, &mut self.spent, &mut gone)
        } else {
            self.key.pretend_use(slot, extent, &mut self.spent, &mut gone)
        };
        assert!(matches!(used, Use::Busy) || gone.contains(&slot), "{used:?}");
        used
    }

    fn opens(&mut self, counter: u64) -> usize {
        match self.use_up(counter, Extent::WithSkipped) {
            Use::Struck { skipped } => skipped,
            other => panic!("{other:?}"),
        }
    }

    fn count(&self) -> u64 {
        counter::read(&self.counter()).unwrap()
    }
}

fn write_key(path: &Path, byte: u8) {
    fs::write(path, KeyMaterial::Key(Key::from_bytes([byte; 32])).to_text().as_bytes()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn the_window_and_what_lies_beyond_it_are_armed() {
    let mut lab = Lab::counting(10);
    assert_eq!(lab.armed(), [10, 11, 12, 13, 14, 15, 16]);
    let ahead = |lab: &Lab, counter| lab.key.is_ahead(lab.slot(counter));
    assert!(!ahead(&lab, 12) && ahead(&lab, 13));
    let before = lab.slot(12);
    assert_eq!(lab.opens(10), 0);
    lab.look();
    assert_eq!(lab.armed(), [11, 12, 13, 14, 15, 16, 17]);
    assert_eq!(lab.slot(12), before, "whoever is half-way through it is not disturbed");
}

#[test]
fn the_counter_moves_past_what_opens_and_what_was_skipped() {
    let mut lab = Lab::counting(10);
    assert_eq!((lab.opens(12), lab.count()), (2, 13));
    assert_eq!(lab.armed(), [13, 14, 15, 16], "nothing of what was skipped stays armed");
    lab.look();
    assert_eq!((lab.opens(13), lab.count()), (0, 14));
}

#[test]
fn one_alone_is_remembered_and_the_counter_stays() {
    let mut lab = Lab::counting(10);
    assert!(matches!(lab.use_up(11, Extent::Alone), Use::Struck { skipped: 0 }));
    assert_eq!(lab.count(), 10);
    lab.look();
    assert_eq!(lab.armed(), [10, 12, 13, 14, 15, 16, 17]);
    assert_eq!((lab.opens(10), lab.count()), (0, 11));
}

#[test]
fn two_in_a_row_from_beyond_the_window_are_known_for_that() {
    let mut lab = Lab::counting(0);
    let (alice, eve) = ("192.0.2.2".parse().unwrap(), "192.0.2.3".parse().unwrap());
    let now = crate::moment::Moment::START;
    let (first, second) = (lab.slot(4), lab.slot(5));
    assert!(!lab.key.is_second_ahead(first, alice, now));
    assert!(matches!(lab.use_up(4, Extent::Alone), Use::Struck { .. }));
    lab.look();
    assert!(!lab.key.is_second_ahead(second, eve, now), "somebody else's");
    assert!(lab.key.is_second_ahead(second, alice, now));
    assert_eq!((lab.opens(5), lab.count()), (4, 6));
}

#[test]
fn what_somebody_else_has_used_in_the_meantime_opens_nothing() {
    let mut lab = Lab::counting(10);
    LockedCounter::try_open(&lab.counter()).unwrap().advance(12).unwrap();
    assert!(matches!(lab.use_up(11, Extent::WithSkipped), Use::NotArmed));
    assert_eq!(lab.count(), 12);
    lab.look();
    assert_eq!(lab.armed(), [12, 13, 14, 15, 16, 17, 18]);
    assert_eq!(lab.opens(12), 0);
}

#[test]
fn a_counter_that_is_locked_is_waited_for_and_then_given_up() {
    let mut lab = Lab::counting(10);
    let lock = LockedCounter::try_open(&lab.counter()).unwrap();
    assert!(matches!(lab.use_up(10, Extent::WithSkipped), Use::Busy));
    assert_eq!(lab.armed().len(), 7, "nothing is lost by that");
    let (slot, mut gone) = (lab.slot(10), Vec::new());
    lab.key.give_up(slot, Extent::WithSkipped, &mut lab.spent, &mut gone).unwrap();
    drop(lock);
    assert_eq!((gone, lab.count()), (vec![slot], 10));
    lab.look();
    assert_eq!(lab.armed()[0], 11, "it was shown, and is never good again");
}

#[test]
fn one_that_cannot_be_used_up_is_remembered() {
    for breakage in [
        |lab: &Lab| fs::remove_file(lab.counter()).unwrap(),
        |lab: &Lab| fs::write(lab.counter(), "damaged").unwrap(),
        |lab: &Lab| fs::remove_file(&lab.key.path).unwrap(),
        |lab: &Lab| fs::set_permissions(&lab.key.path, fs::Permissions::from_mode(0o640)).unwrap(),
    ] {
        let mut lab = Lab::counting(10);
        let marks = lab.key.marks(lab.slot(10), Extent::WithSkipped);
        breakage(&lab);
        let used = lab.use_up(10, Extent::WithSkipped);
        assert!(matches!(&used, Use::Failed(why) if !why.is_empty()), "{used:?}");
        assert!(marks.iter().all(|mark| lab.spent.contains(*mark)) && !marks.is_empty());
        assert!(lab.look().is_some(), "and the door is shut to it");
        assert_eq!(lab.key.next(), None);
    }
}

#[test]
fn without_a_counter_nothing_is_armed_and_it_is_said_once_how_to_set_it() {
    let mut lab = Lab::new(Mode::Counter);
    let said = lab.look().unwrap();
    assert!(said.ends_with("; knockd --init-counter ssh=N sets it"), "{said}");
    assert_eq!((lab.armed(), lab.look()), (vec![], None), "and it is said once");
    LockedCounter::create(&lab.counter(), 3).unwrap();
    assert!(lab.look().unwrap().ends_with("can be used again"));
    assert_eq!(lab.armed()[0], 3);
    fs::write(lab.counter(), "").unwrap();
    let said = lab.look().unwrap();
    assert!(said.contains("is damaged; it is not guessed at"), "{said}");
}

#[test]
fn the_last_counter_is_never_used() {
    let mut lab = Lab::counting(u64::MAX - 2);
    assert_eq!(lab.armed(), [u64::MAX - 2, u64::MAX - 1]);
    assert_eq!((lab.opens(u64::MAX - 1), lab.count()), (1, u64::MAX));
    lab.look();
    assert_eq!(lab.armed(), [0; 0]);
}

#[test]
fn another_key_in_the_file_makes_what_was_armed_worthless() {
    let mut lab = Lab::counting(10);
    let before = lab.armed().len();
    write_key(&lab.key.path, 2);
    let slot = lab.slot(10);
    let mut gone = Vec::new();
    let used = lab.key.use_up(slot, Extent::WithSkipped, &mut lab.spent, &mut gone);
    assert!(matches!(&used, Use::Failed(why) if why.starts_with("there is another key in ")), "{used:?}");
    assert_eq!((gone.len(), lab.armed(), lab.count()), (before, vec![], 10));
    assert!(lab.look().unwrap().contains("there is no counter for "));

    let mut lab = Lab::counting(10);
    write_key(&lab.key.path, 2);
    let moved = lab.look_and_move();
    assert_eq!((moved.gone.len(), moved.new.len(), lab.armed()), (before, 0, vec![]));
}

#[test]
fn a_key_that_is_anothers_already_is_refused() {
    let mut lab = Lab::counting(10);
    let around = Surroundings {
        door: "ssh",
        spent: &lab.spent,
        unix_time: 0,
        in_earnest: true,
        owner: &|_| Some("[mail]".to_owned()),
    };
    let moved = lab.key.look(&mut lab.slots, &around, &mut |_| {});
    let Some(News::Trouble(words)) = &moved.news else { panic!("{moved:?}") };
    assert!(words.contains("is the same key, with the same label, as that of [mail]"), "{words}");
    assert_eq!((moved.gone.len(), lab.armed()), (7, vec![]));
}

#[test]
fn one_step_of_time_either_way_is_armed_and_each_opens_once() {
    let mut lab = Lab::new(seconds(30));
    lab.unix_time = 3000;
    assert_eq!(lab.look(), None);
    assert_eq!(
        (lab.armed(), lab.count()),
        (vec![], 102),
        "what may have been used before the state was lost"
    );
    lab.unix_time = 3030;
    lab.look();
    assert_eq!(lab.armed(), [102]);
    lab.unix_time = 3089;
    lab.look();
    assert_eq!(lab.armed(), [102, 103]);
    lab.unix_time = 3100;
    lab.look();
    assert_eq!(lab.armed(), [102, 103, 104]);
    assert_eq!((lab.opens(103), lab.count()), (1, 104));
    lab.look();
    assert_eq!(lab.armed(), [104], "the one before it has passed with it");
    assert!(!lab.key.is_ahead(lab.slot(104)));
    lab.unix_time = 4000;
    lab.look();
    assert_eq!(lab.armed(), [132, 133, 134]);
}

#[test]
fn a_clock_that_is_set_back_brings_no_step_back_and_that_is_said() {
    let mut lab = Lab::new(seconds(30));
    LockedCounter::create(&lab.counter(), 0).unwrap();
    lab.unix_time = 3000;
    assert_eq!(lab.look(), None);
    lab.opens(101);
    lab.unix_time = 2900;
    assert!(lab.look().unwrap().contains("or the clock was set back"));
    lab.unix_time = 2901;
    assert_eq!((lab.look(), lab.armed()), (None, vec![]), "said once");
    lab.unix_time = 3030;
    assert!(lab.look().unwrap().ends_with("can be used again"));
    assert_eq!(lab.armed(), [102]);
}

#[test]
fn a_dry_run_makes_and_moves_no_counter() {
    let mut lab = Lab::new(seconds(30));
    lab.in_earnest = false;
    lab.unix_time = 3000;
    assert_eq!(lab.look(), None);
    assert!(!lab.counter().exists());

    let mut lab = Lab::counting(10);
    lab.in_earnest = false;
    assert_eq!((lab.opens(11), lab.count()), (1, 10));
    lab.look();
    assert_eq!(lab.armed(), [12, 13, 14, 15, 16, 17, 18]);
}

#[test]
fn what_follows_from_a_key_for_each_source_is_armed_as_a_key() {
    let mut lab = Lab::counting(10);
    assert!(lab.key.armed().all(|(_, hits)| matches!(hits, Hits::Same(_))));
    let bound = KeySource { bind: true, ..lab.key.source.clone() };
    assert!(!lab.key.reconfigure(&bound, lab.directory.path()), "sequences that are good for anybody");
    lab.key.source = bound;
    lab.key.held.clear();
    lab.look();
    let label_key = Key::from_bytes([1; 32]).label_key(&Label::default());
    let expected = label_key.counter_key(Mode::Counter, 10, &lab.key.source.form);
    assert_eq!(lab.key.held[0].hits, Hits::Bound(expected));
}

#[test]
fn another_window_disturbs_nobody() {
    let mut lab = Lab::counting(10);
    let slot = lab.slot(10);
    let wider = KeySource { window: 9.try_into().unwrap(), resync: 0, ..lab.key.source.clone() };
    assert!(lab.key.reconfigure(&wider, lab.directory.path()));
    lab.look();
    assert_eq!((lab.armed().len(), lab.slot(10)), (9, slot));
    let elsewhere = lab.key.source.clone();
    assert!(!lab.key.reconfigure(&elsewhere, Path::new("/elsewhere")), "with other counters");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// However many knocks are lost in between, fewer in a row than the window has places: each that arrives opens the door,
    /// and none that was used or skipped does so later.
    #[test]
    fn lost_knocks_lock_nobody_out(first in 0..1_u64 << 40, lost in prop::collection::vec(0..3_u64, 1..20)) {
        let mut lab = Lab::counting(first);
        let mut counter = first;
        for lost in lost {
            counter += lost;
            prop_assert!(lab.armed().contains(&counter) && !lab.key.is_ahead(lab.slot(counter)));
            let skipped = lab.opens(counter);
            prop_assert_eq!(skipped as u64, lost);
            lab.look();
            prop_assert!(lab.armed().iter().all(|armed| *armed > counter));
            counter += 1;
        }
    }

    /// And after more of them than that, as far as is looked ahead, two in a row open it.
    #[test]
    fn two_knocks_that_arrive_bring_back_who_has_lost_many(
        first in 0..1_u64 << 40,
        lost in prop::collection::vec(3..6_u64, 1..8)
    ) {
        let mut lab = Lab::counting(first);
        let (alice, now) = ("192.0.2.2".parse().unwrap(), crate::moment::Moment::START);
        let mut counter = first;
        for lost in lost {
            counter += lost;
            let slot = lab.slot(counter);
            prop_assert!(lab.key.is_ahead(slot) && !lab.key.is_second_ahead(slot, alice, now));
            let alone = lab.use_up(counter, Extent::Alone);
            prop_assert!(matches!(alone, Use::Struck { skipped: 0 }), "{:?}", alone);
            lab.look();
            let slot = lab.slot(counter + 1);
            prop_assert!(!lab.key.is_ahead(slot) || lab.key.is_second_ahead(slot, alice, now));
            lab.opens(counter + 1);
            lab.look();
            counter += 2;
            prop_assert_eq!(lab.count(), counter);
        }
    }
}
