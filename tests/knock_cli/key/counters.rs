//! The counter of a key: used up before the first hit, and never taken back.

use super::*;

#[test]
fn the_number_is_used_up_and_the_lock_released_when_the_first_hit_arrives() {
    let (catchers, shape) = catchers();
    let person = Person::new().begun();
    // The hits after the first are far away, so that a late record is seen.
    let mut running = person.command(&format!("-d 60000 {shape} 127.0.0.1")).spawn().unwrap();
    let key = Key::from_bytes(BYTES).label_key(&Label::default());
    let ports = catchers.each_ref().map(|catcher| catcher.port().to_string()).join(",");
    let form = form(3, Protocols::Udp, &ports);
    let first = key.counter_key(Mode::Counter, 1, &form).first(&form);
    catchers.iter().find(|catcher| catcher.port() == first.port.get()).unwrap().hit();
    assert_eq!(person.next(), Some(2));
    fs2::FileExt::try_lock_exclusive(&File::open(person.counter_file("")).unwrap()).unwrap();
    running.kill().unwrap();
    running.wait().unwrap();
}

#[test]
fn twenty_at_once_take_twenty_numbers() {
    let person = Person::new();
    let children: Vec<_> = (0..20)
        .map(|_| {
            let mut command = person.command("-v -d 0 --unbound 127.0.0.1");
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let ran: Vec<_> =
        children.into_iter().map(|child| Ran::from(child.wait_with_output().unwrap())).collect();
    // Whichever made the file says so.
    assert_eq!(ran.iter().filter(|ran| ran.err.contains("no counter is kept")).count(), 1, "{ran:?}");
    let sent: BTreeSet<String> = ran.into_iter().map(|ran| ran.out).collect();
    assert_eq!(sent, (0..20).map(|number| counted(number, None)).collect());
    assert_eq!(person.next(), Some(20));
}

#[test]
fn a_counter_that_nothing_can_follow_leaves_no_file_behind() {
    let person = Person::new();
    for number in [u64::MAX, u64::MAX - 1] {
        let line = format!("-v --resync --counter {number} 127.0.0.1");
        person.knock(&line).refused(if number == u64::MAX { 2 } else { 3 }, "");
        assert!(!person.counter_file("").exists(), "{number}");
    }
    for number in ["-1", "+1", "1e3", "", "18446744073709551616"] {
        let mut knock = person.command("");
        knock.args(["--counter", number, "127.0.0.1"]);
        let ran: Ran = assert_cmd::Command::from_std(knock).output().unwrap().into();
        ran.refused(2, "is no counter (0 to 18446744073709551614)");
    }
}

#[test]
fn a_counter_is_never_taken_back() {
    let person = Person::new();
    assert_eq!(person.knock("-v --unbound --counter 41 127.0.0.1").quietly(), counted(41, None));
    person.knock("-v --counter 41 127.0.0.1").refused(
        2,
        "knock: --counter 41 is below the next one, 42, and would send used sequences again: leave it away, or, if \
         the server is behind, have it begin there (knockd --init-counter); nothing was sent\n",
    );
    assert_eq!(person.next(), Some(42));
    assert_eq!(person.knock("-v --unbound --counter 42 127.0.0.1").quietly(), counted(42, None));
    assert_eq!(person.knock("-v --unbound --counter 50 127.0.0.1").quietly(), counted(50, None));
    person
        .knock(&format!("-v --resync --counter {} 127.0.0.1", u64::MAX - 1))
        .refused(3, "has come to its end");
    assert_eq!(person.next(), Some(51));
    let last = format!("--dry-run --resync --counter {} 127.0.0.1", u64::MAX - 1);
    person.knock(&last).refused(3, "has come to its end");
}

#[test]
fn whatever_happens_to_the_file_the_counter_goes_on_or_nothing_is_sent() {
    let person = Person::new();
    person.knock("-q --counter 41 127.0.0.1").quietly();
    let file = person.counter_file("");
    let whole = fs::read(&file).unwrap();
    let second = whole.len() - 64;
    let broken = |bytes: &[usize]| {
        let mut broken = whole.clone();
        for &at in bytes {
            broken[at] ^= 1;
        }
        broken
    };
    for healed in [broken(&[20]), broken(&[second + 20]), broken(&[200]), whole[..100].to_vec()] {
        fs::write(&file, &healed).unwrap();
        assert_eq!(person.knock("-v --unbound 127.0.0.1").quietly(), counted(42, None));
        assert_eq!(fs::read(&file).unwrap().len(), whole.len());
        assert_eq!(person.next(), Some(43));
    }
    for lost in
        [Vec::new(), whole[..63].to_vec(), broken(&[0, second]), vec![0; whole.len()], b"42\n".to_vec()]
    {
        fs::write(&file, &lost).unwrap();
        for line in ["-v 127.0.0.1", "--dry-run 127.0.0.1"] {
            person
                .knock(line)
                .refused(1, "is damaged, and where it stood cannot be told; say it with --counter N");
        }
        assert_eq!(fs::read(&file).unwrap(), lost);
        assert_eq!(person.knock("-v --unbound --counter 60 127.0.0.1").quietly(), counted(60, None));
        assert_eq!(person.next(), Some(61));
    }
}

#[test]
fn a_counter_that_stays_locked_is_given_up() {
    let (catchers, shape) = catchers();
    let person = Person::new().begun();
    let holder = File::open(person.counter_file("")).unwrap();
    fs2::FileExt::lock_exclusive(&holder).unwrap();
    person
        .knock(&format!("-v {shape} 127.0.0.1"))
        .refused(1, "somebody else holds the lock on the key's counter in ");
    let _ = person.knock(&format!("--dry-run {shape} 127.0.0.1")).quietly();
    catchers.iter().for_each(Catcher::assert_nothing);
    assert_eq!(person.next(), Some(1));
}

#[cfg(unix)]
#[test]
fn nothing_is_sent_when_the_number_cannot_be_used_up() {
    let (catchers, shape) = catchers();
    // No file may grow beyond 0 bytes, and being told so is not deadly: every write to a file fails with EFBIG.
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$@\"";
    for (person, next) in [(Person::new(), None), (Person::new().begun(), Some(1))] {
        let inner = person.command(&format!("-v {shape} 127.0.0.1"));
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", KNOCK]).args(inner.get_args());
        command.env("XDG_STATE_HOME", person.state()).env("XDG_CONFIG_HOME", "/nonexistent");
        crate::support::finish(command).refused(1, "File too large");
        assert_eq!(person.next(), next);
        let kept =
            fs::read_dir(person.state().join("knock")).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(kept.into_iter().all(|name| !name.to_string_lossy().ends_with(".new")));
    }
    catchers.iter().for_each(Catcher::assert_nothing);
}

#[cfg(unix)]
#[test]
fn a_counter_that_is_no_file_is_refused_at_once() {
    let person = Person::new().begun();
    let file = person.counter_file("");
    fs::remove_file(&file).unwrap();
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    person.knock("-v 127.0.0.1").refused(1, "not a regular file but a FIFO");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    person.knock("-v 127.0.0.1").refused(1, "the key's counter in ");
}

#[cfg(unix)]
#[test]
fn what_is_kept_is_for_nobody_but_the_user() {
    use std::os::unix::fs::MetadataExt as _;
    let person = Person::new();
    let home = person.folder.path().join("home");
    fs::create_dir(&home).unwrap();
    // A relative one does not count.
    for xdg in [None, Some("state")] {
        let mut command = person.command("-q 127.0.0.1");
        command.env("HOME", &home).env_remove("XDG_STATE_HOME").current_dir(&home);
        command.envs(xdg.map(|xdg| ("XDG_STATE_HOME", xdg)));
        crate::support::finish(command).quietly();
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    let knock = home.join(".local/state/knock");
    assert_eq!([".local", ".local/state"].map(|path| mode(&home.join(path))), [0o700; 2]);
    assert_eq!(mode(&knock), 0o700);
    assert_eq!(mode(&knock.join(person.counter_file("").file_name().unwrap())), 0o600);
}
