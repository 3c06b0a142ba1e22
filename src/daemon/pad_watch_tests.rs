use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

use tempfile::TempDir;

use super::*;

/// Directories to watch, and a watch whose events wait to be asked for.
struct Scene {
    dir: TempDir,
    watch: PadWatch,
}

impl Scene {
    /// One in which these files exist.
    fn with(names: &[&str]) -> Scene {
        let scene = Scene { dir: TempDir::new().unwrap(), watch: PadWatch::silent().unwrap() };
        for name in names {
            fs::create_dir_all(parent_of(&scene.path(name))).unwrap();
            fs::write(scene.path(name), "7000,8000\n").unwrap();
        }
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn watch(&self, name: &str) {
        self.watch.watch(&self.path(name));
    }

    fn append(&self, name: &str) {
        append(&self.path(name));
    }

    /// Puts a new file in the place of this one.
    fn replace(&self, name: &str) {
        let new = TempDir::new_in(self.dir.path().parent().unwrap()).unwrap();
        fs::write(new.path().join("new"), "7001\n").unwrap();
        fs::rename(new.path().join("new"), self.path(name)).unwrap();
    }

    /// Whether there would have been a hint since this was last asked.  The kernel has queued an event before the call
    /// that causes it returns, so there is nothing to wait for.
    fn hinted(&self) -> bool {
        self.hint().is_some()
    }

    /// That hint.
    fn hint(&self) -> Option<Hint> {
        let inotify = &self.watch.0.inotify;
        let mut all: Option<Hint> = None;
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
        while rustix::io::ioctl_fionread(inotify).unwrap() > 0 {
            let next = self.watch.next_hint(&mut Reader::new(inotify, &mut buffer)).unwrap();
            all = match (all, next) {
                (Some(mut all), Some(next)) => {
                    all.add(next);
                    Some(all)
                }
                (all, next) => all.or(next),
            };
        }
        all
    }

    /// The hint that these were written to.
    fn written(&self, names: &[&str]) -> Hint {
        Hint::Written(names.iter().map(|name| self.path(name)).collect())
    }
}

fn append(path: &Path) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(b"7002\n").unwrap();
}

fn started() -> (PadWatch, Receiver<()>) {
    let (sender, hints) = mpsc::channel();
    let watch = PadWatch::start(move |_| {
        let _ = sender.send(());
    });
    (watch.unwrap(), hints)
}

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn the_thread_hints_at_what_happens_now_and_later() {
    let dir = TempDir::new().unwrap();
    let pad = dir.path().join("pad");
    let (watch, hints) = started();
    watch.watch(&pad);
    assert!(hints.try_recv().is_err(), "nothing has happened");
    // An empty file is one event: it is not watched itself yet.
    fs::write(&pad, "").unwrap();
    hints.recv_timeout(PATIENCE).unwrap();
    watch.clone().watch(&pad);
    append(&pad);
    hints.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn hints_keep_their_distance() {
    let dir = TempDir::new().unwrap();
    let pad = dir.path().join("pad");
    let mut file = File::create(&pad).unwrap();
    let (watch, hints) = started();
    watch.watch(&pad);
    let start = Instant::now();
    let mut count = 0;
    while count < 4 {
        assert!(start.elapsed() < PATIENCE, "{count} hints");
        file.write_all(b"#").unwrap();
        count += u32::from(hints.try_recv().is_ok());
    }
    assert!(start.elapsed() >= 3 * GATHER, "{:?}", start.elapsed());
}

#[test]
fn all_that_can_happen_to_a_pad_is_a_hint() {
    type Action = fn(&Scene);
    let actions: [(&str, Action); 9] = [
        ("append", |scene| scene.append("pads/pad")),
        ("write in place", |scene| {
            let mut file = OpenOptions::new().write(true).open(scene.path("pads/pad")).unwrap();
            file.write_all(b"#").unwrap();
        }),
        ("mv over it", |scene| scene.replace("pads/pad")),
        ("mv away", |scene| fs::rename(scene.path("pads/pad"), scene.path("away")).unwrap()),
        ("rm", |scene| fs::remove_file(scene.path("pads/pad")).unwrap()),
        ("truncate", |scene| drop(File::create(scene.path("pads/pad")).unwrap())),
        ("chmod", |scene| {
            let mut permissions = fs::metadata(scene.path("pads/pad")).unwrap().permissions();
            permissions.set_readonly(true);
            fs::set_permissions(scene.path("pads/pad"), permissions).unwrap();
        }),
        ("mv of the directory", |scene| fs::rename(scene.path("pads"), scene.path("away")).unwrap()),
        ("rm of the directory", |scene| fs::remove_dir_all(scene.path("pads")).unwrap()),
    ];
    for (name, action) in actions {
        let scene = Scene::with(&["pads/pad"]);
        scene.watch("pads/pad");
        assert!(!scene.hinted(), "before {name}");
        action(&scene);
        assert!(scene.hinted(), "{name}");
    }
}

#[test]
fn of_what_is_written_the_hint_says_where() {
    let scene = Scene::with(&["pads/alice", "pads/bob", "pads/carol"]);
    fs::hard_link(scene.path("pads/alice"), scene.path("same")).unwrap();
    symlink(scene.path("pads/bob"), scene.path("link")).unwrap();
    for name in ["pads/alice", "pads/bob", "pads/carol", "same", "link"] {
        scene.watch(name);
    }
    scene.append("pads/carol");
    assert_eq!(scene.hint(), Some(scene.written(&["pads/carol"])));
    scene.append("same");
    assert_eq!(scene.hint(), Some(scene.written(&["pads/alice", "same"])));
    scene.append("pads/bob");
    scene.append("pads/carol");
    assert_eq!(scene.hint(), Some(scene.written(&["pads/bob", "link", "pads/carol"])));
    // The file that was watched is another one's now.
    scene.replace("pads/carol");
    assert_eq!(scene.hint(), Some(Hint::Anywhere));
    scene.watch("pads/carol");
    scene.append("pads/carol");
    assert_eq!(scene.hint(), Some(scene.written(&["pads/carol"])));
    fs::set_permissions(scene.path("pads/bob"), fs::Permissions::from_mode(0o644)).unwrap();
    scene.append("pads/carol");
    assert_eq!(scene.hint(), Some(Hint::Anywhere));
}

#[test]
fn what_is_written_to_other_files_is_no_hint() {
    let scene = Scene::with(&["pads/pad", "pads/log"]);
    scene.watch("pads/pad");
    scene.append("pads/log");
    fs::read(scene.path("pads/pad")).unwrap();
    assert!(!scene.hinted());
    scene.append("pads/pad");
    assert!(scene.hinted());
}

#[test]
fn a_pad_that_comes_later_is_a_hint() {
    let scene = Scene::with(&["pads/other"]);
    scene.watch("pads/pad");
    fs::write(scene.path("pads/pad"), "").unwrap();
    assert!(scene.hinted());
    scene.watch("pads/pad");
    assert!(!scene.hinted(), "watching is no event");
    scene.append("pads/pad");
    assert!(scene.hinted());
    fs::remove_file(scene.path("pads/pad")).unwrap();
    assert!(scene.hinted());
    scene.replace("pads/pad");
    assert!(scene.hinted());
}

#[test]
fn missing_directories_are_waited_for_one_by_one() {
    let scene = Scene::with(&[]);
    scene.watch("a/b/pad");
    for directory in ["a", "a/b"] {
        fs::create_dir(scene.path(directory)).unwrap();
        assert!(scene.hinted(), "{directory}");
        scene.watch("a/b/pad");
    }
    fs::write(scene.path("a/b/pad"), "").unwrap();
    assert!(scene.hinted());
}

#[test]
fn after_another_call_the_file_in_its_place_is_watched_and_the_old_one_no_longer() {
    let scene = Scene::with(&["pads/pad", "keep/pad"]);
    fs::hard_link(scene.path("pads/pad"), scene.path("old")).unwrap();
    scene.watch("pads/pad");
    scene.append("old");
    assert!(scene.hinted(), "the same file");
    scene.replace("pads/pad");
    assert!(scene.hinted());
    scene.watch("pads/pad");
    scene.append("old");
    assert!(!scene.hinted());
    scene.append("pads/pad");
    assert!(scene.hinted());
}

#[test]
fn a_file_that_another_path_still_leads_to_stays_watched() {
    let scene = Scene::with(&["pads/pad"]);
    fs::hard_link(scene.path("pads/pad"), scene.path("second")).unwrap();
    scene.watch("pads/pad");
    scene.watch("second");
    scene.replace("pads/pad");
    scene.watch("pads/pad");
    assert!(scene.hinted());
    scene.append("second");
    assert!(scene.hinted());
}

#[test]
fn watching_again_and_again_changes_nothing() {
    let scene = Scene::with(&["pads/pad"]);
    for _ in 0..3 {
        scene.watch("pads/pad");
        scene.watch("pads");
    }
    assert!(!scene.hinted());
    let files = scene.watch.files();
    assert_eq!((files.watches.len(), files.paths.len()), (1, 1));
    drop(files);
    scene.append("pads/pad");
    assert!(scene.hinted());
}

#[test]
fn both_ends_of_a_symbolic_link_are_watched() {
    let actions: [fn(&Scene); 4] = [
        |scene| scene.append("there/pad"),
        |scene| scene.replace("there/pad"),
        |scene| fs::remove_file(scene.path("here/pad")).unwrap(),
        |scene| {
            fs::rename(scene.path("there/pad"), scene.path("away")).unwrap();
        },
    ];
    for (number, action) in (1..).zip(actions) {
        for target in [PathBuf::from("../there/pad"), PathBuf::from("middle")] {
            let scene = Scene::with(&["there/pad", "here/other"]);
            symlink(scene.path("there/pad"), scene.path("here/middle")).unwrap();
            symlink(&target, scene.path("here/pad")).unwrap();
            scene.watch("here/pad");
            assert!(!scene.hinted());
            action(&scene);
            assert!(scene.hinted(), "action {number} by {}", target.display());
        }
    }
}

#[test]
fn a_link_that_leads_nowhere_yet_is_waited_for_at_its_end() {
    let scene = Scene::with(&["there/other", "here/other"]);
    symlink("../there/pad", scene.path("here/pad")).unwrap();
    scene.watch("here/pad");
    fs::write(scene.path("there/pad"), "").unwrap();
    assert!(scene.hinted());
    symlink("loop", scene.path("here/loop")).unwrap();
    scene.watch("here/loop");
}

#[test]
fn a_directory_of_pads_is_watched_for_pads_that_come_and_go() {
    let scene = Scene::with(&["pads/alice.pad"]);
    scene.watch("pads");
    scene.append("pads/alice.pad");
    assert!(!scene.hinted(), "the pads in it are watched each for itself");
    fs::write(scene.path("pads/bob.pad"), "").unwrap();
    assert!(scene.hinted());
    fs::remove_file(scene.path("pads/bob.pad")).unwrap();
    assert!(scene.hinted());
    fs::rename(scene.path("pads"), scene.path("away")).unwrap();
    assert!(scene.hinted());
    fs::create_dir(scene.path("pads")).unwrap();
    assert!(scene.hinted(), "another one in its place");
}

#[test]
fn a_queue_that_overflows_is_a_hint() {
    let scene = Scene::with(&["pads/a", "pads/b"]);
    scene.watch("pads/a");
    scene.watch("pads/b");
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    let mut files = ["pads/a", "pads/b"].map(|name| File::create(scene.path(name)).unwrap());
    // Only the same event twice in a row is one event.
    for number in 0..limit + 2 {
        files[number % 2].write_all(b"#").unwrap();
    }
    let inotify = &scene.watch.0.inotify;
    let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
    let mut reader = Reader::new(inotify, &mut buffer);
    let mut last = ReadFlags::empty();
    while !reader.is_buffer_empty() || rustix::io::ioctl_fionread(inotify).unwrap() > 16 {
        last = reader.next().unwrap().events();
    }
    assert_ne!(last, ReadFlags::QUEUE_OVERFLOW, "it is still to come");
    assert_eq!(scene.watch.next_hint(&mut reader).unwrap(), Some(Hint::Anywhere));
}
