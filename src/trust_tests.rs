use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};

use tempfile::TempDir;

use super::*;

/// A user that is neither root nor we.
const STRANGER: u32 = 54_321;

/// `top/above/here`, all of it to be trusted, with a file `file` in it.
struct Scene(TempDir);

impl Scene {
    fn new() -> Scene {
        set_usual_umask();
        let scene = Scene(TempDir::new().unwrap());
        fs::create_dir_all(scene.at("above/here")).unwrap();
        fs::write(scene.at("above/here/file"), "").unwrap();
        scene
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self) -> PathBuf {
        self.at("above/here/file")
    }

    /// The top's place in messages, without symbolic links.
    fn real(&self, name: &str) -> String {
        fs::canonicalize(self.0.path()).unwrap().join(name).display().to_string()
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// What is said of this path, in both ways to ask; nothing if it can be trusted.
fn said(path: &Path) -> Option<String> {
    let opened = check(path, &File::open(path).unwrap()).err().map(|error| error.to_string());
    let found = check_way(path).err().map(|error| error.to_string());
    assert_eq!(opened.is_some(), found.is_some(), "{opened:?} {found:?}");
    opened
}

fn is_root() -> bool {
    geteuid().is_root()
}

#[test]
fn what_only_root_and_we_can_write_to_is_trusted() {
    let scene = Scene::new();
    assert_eq!(said(&scene.file()), None);
    assert_eq!(said(&scene.at("above/here")), None);
    assert_eq!(said(&scene.at("above/../above/./here//file")), None);
    // Root's, whoever we are.
    assert_eq!(said(Path::new("/etc/passwd")), None);
    assert_eq!(said(Path::new("/")), None);
}

#[test]
fn every_permission_to_write_of_a_file_counts_and_no_other() {
    let scene = Scene::new();
    let file = File::open(scene.file()).unwrap();
    for mode in 0o400..=0o7777 {
        set_mode(&scene.file(), mode);
        let error = check(&scene.file(), &file).err().map(|error| error.to_string());
        let path = scene.file().display().to_string();
        let expected = match mode & 0o022 {
            0o020 => Some(("its group", "g")),
            0o002 => Some(("others", "o")),
            0o022 => Some(("its group and others", "go")),
            _ => None,
        };
        // Where we are not root, some bits cannot be set.
        let mode = fs::metadata(scene.file()).unwrap().mode() & 0o7777;
        let expected = expected.map(|(who, letters)| {
            format!("{path} can be written by {who} (mode {mode:04o}): chmod {letters}-w {path}")
        });
        assert_eq!(error, expected, "{mode:o}");
    }
}

#[test]
fn every_directory_on_the_way_counts() {
    let scene = Scene::new();
    for (name, place) in [("", ""), ("above", "above"), ("above/here", "above/here")] {
        for (bits, who, letters) in
            [(0o020, "its group", "g"), (0o002, "others", "o"), (0o022, "its group and others", "go")]
        {
            set_mode(&scene.at(name), 0o755 | bits);
            let place = scene.real(place);
            let place = place.trim_end_matches('/');
            assert_eq!(
                said(&scene.file()).unwrap(),
                format!(
                    "{place}, on the way to {}, can be written by {who} (mode {:04o}): chmod {letters}-w {place}",
                    scene.file().display(),
                    0o755 | bits
                )
            );
            set_mode(&scene.at(name), 0o1755 | bits);
            assert_eq!(said(&scene.file()), None, "{name} is sticky");
        }
        set_mode(&scene.at(name), 0o755);
        assert_eq!(said(&scene.file()), None);
    }
}

#[test]
fn a_sticky_file_is_not_a_sticky_directory() {
    let scene = Scene::new();
    set_mode(&scene.file(), 0o1666);
    assert!(said(&scene.file()).is_some());
}

#[test]
fn what_belongs_to_somebody_else_is_not_trusted() {
    let scene = Scene::new();
    let us = geteuid().as_raw();
    if !is_root() {
        // Without privilege nothing can be given away, but somebody else can be asked what they think of what is ours.
        let words = Walk { path: &scene.file(), us: STRANGER }.end().unwrap_err().to_string();
        assert!(words.contains(&format!(" belongs to user {us}, not to root or ")), "{words}");
        assert!(words.contains(&format!(": chown {STRANGER} ")), "{words}");
        Walk { path: Path::new("/etc/passwd"), us: STRANGER }.end().unwrap();
        return;
    }
    for name in ["above", "above/here", "above/here/file"] {
        chown(scene.at(name), Some(STRANGER), None).unwrap();
        for sticky in [0, 0o1000] {
            let mode = if name.ends_with("file") { 0o644 } else { 0o755 | sticky };
            set_mode(&scene.at(name), mode);
            let said = said(&scene.file()).unwrap();
            let end = format!(
                " belongs to user {STRANGER}, not to root or the user that knockd runs as: chown root {}",
                scene.real(name)
            );
            assert!(said.ends_with(&end) && said.starts_with(&scene.real(name)), "{said}");
        }
        chown(scene.at(name), Some(us), None).unwrap();
        assert_eq!(said(&scene.file()), None);
    }
}

#[test]
fn what_somebody_else_has_put_into_a_sticky_directory_is_not_trusted() {
    let scene = Scene::new();
    set_mode(&scene.at("above/here"), 0o1777);
    assert_eq!(said(&scene.file()), None);
    symlink(scene.file(), scene.at("above/here/link")).unwrap();
    assert_eq!(said(&scene.at("above/here/link")), None);
    if is_root() {
        lchown(scene.at("above/here/link"), Some(STRANGER), None).unwrap();
        // Linux itself may refuse to follow it, so that there is nothing to open.
        let words = check_way(&scene.at("above/here/link")).unwrap_err().to_string();
        assert!(words.contains(": chown -h root "), "{words}");
        chown(scene.file(), Some(STRANGER), None).unwrap();
        assert!(said(&scene.file()).is_some());
    }
}

#[test]
fn links_are_followed_to_where_the_file_really_is() {
    let scene = Scene::new();
    fs::create_dir(scene.at("links")).unwrap();
    for (name, target) in [
        ("relative", PathBuf::from("../above/here/file")),
        ("absolute", scene.file()),
        ("twice", PathBuf::from("relative")),
        ("directory", PathBuf::from("../above/here")),
        ("up", PathBuf::from("directory/../here")),
    ] {
        symlink(target, scene.at("links").join(name)).unwrap();
    }
    for name in ["relative", "absolute", "twice", "directory/file", "directory/../here/file", "up/file"] {
        let link = scene.at("links").join(name);
        assert_eq!(said(&link), None, "{name}");
        for place in ["links", "above", "above/here"] {
            set_mode(&scene.at(place), 0o775);
            let words = said(&link).unwrap();
            assert!(words.starts_with(&format!("{}, on the way to ", scene.real(place))), "{name}: {words}");
            set_mode(&scene.at(place), 0o755);
        }
        set_mode(&scene.file(), 0o664);
        assert!(
            said(&link).unwrap().contains(" can be written by its group (mode 0664): chmod g-w "),
            "{name}"
        );
        set_mode(&scene.file(), 0o644);
    }
}

#[test]
fn what_was_opened_is_what_counts() {
    let scene = Scene::new();
    let opened = File::open(scene.file()).unwrap();
    check(&scene.file(), &opened).unwrap();
    fs::write(scene.at("other"), "").unwrap();
    fs::rename(scene.at("other"), scene.file()).unwrap();
    assert!(matches!(check(&scene.file(), &opened), Err(Untrusted::Replaced { .. })));
    fs::remove_file(scene.file()).unwrap();
    assert!(matches!(check(&scene.file(), &opened), Err(Untrusted::Replaced { .. })));
    // One that others can write to stays so, whatever has taken its place.
    let shared = File::create(scene.file()).unwrap();
    set_mode(&scene.file(), 0o666);
    fs::rename(scene.file(), scene.at("aside")).unwrap();
    fs::write(scene.file(), "").unwrap();
    assert!(matches!(check(&scene.file(), &shared), Err(Untrusted::Writable { .. })));
}

#[test]
fn what_is_replaced_while_it_is_opened_is_opened_again() {
    let scene = Scene::new();
    let tries = std::cell::Cell::new(0);
    let open = |often: usize| {
        tries.set(0);
        open_trusted(
            &scene.file(),
            |path| {
                let opened = File::open(path).unwrap();
                tries.set(tries.get() + 1);
                if tries.get() <= often {
                    fs::write(scene.at("other"), "").unwrap();
                    fs::rename(scene.at("other"), path).unwrap();
                }
                Ok::<_, Untrusted>(opened)
            },
            |file| file,
        )
    };
    open(ATTEMPTS - 1).unwrap();
    assert_eq!(tries.get(), ATTEMPTS);
    assert!(matches!(open(ATTEMPTS), Err(Untrusted::Replaced { .. })));
    assert_eq!(tries.get(), ATTEMPTS);
}

#[test]
fn what_cannot_be_followed_is_named() {
    let scene = Scene::new();
    symlink("b", scene.at("a")).unwrap();
    symlink("a", scene.at("b")).unwrap();
    let words = check_way(&scene.at("a")).unwrap_err().to_string();
    assert!(words.ends_with("Too many levels of symbolic links (os error 40)"), "{words}");
    let words = check_way(&scene.at("above/here/file/more")).unwrap_err().to_string();
    assert!(words.ends_with("here/file: Not a directory (os error 20)"), "{words}");
    let words = check_way(&scene.at("none")).unwrap_err().to_string();
    assert!(
        words
            .starts_with(&format!("whether others can change {} cannot be told", scene.at("none").display()))
    );
}

#[test]
fn the_mending_command_takes_paths_with_blanks_as_one_word() {
    let scene = Scene::new();
    let path = scene.at("my pads");
    fs::write(&path, "").unwrap();
    set_mode(&path, 0o602);
    assert!(said(&path).unwrap().ends_with(&format!(": chmod o-w '{}'", path.display())));
}

#[test]
fn readers_are_named() {
    let scene = Scene::new();
    let (path, file) = (scene.file(), File::open(scene.file()).unwrap());
    for (mode, expected) in [
        (0o600, None),
        (0o711, None),
        (0o640, Some(("its group", "g-r"))),
        (0o604, Some(("others", "o-r"))),
        (0o644, Some(("its group and others", "go-r"))),
    ] {
        set_mode(&path, mode);
        let expected = expected.map(|(who, change)| {
            let path = path.display();
            format!("{path} can be read by {who} (mode {mode:04o}), and whoever has read it can knock: chmod {change} {path}")
        });
        assert_eq!(readers(&path, &file), expected, "{mode:o}");
    }
}
