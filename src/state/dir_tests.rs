use std::os::unix::fs::{PermissionsExt, chown, symlink};

use tempfile::TempDir;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn refusal(path: &Path) -> String {
    let error = StateDir::open(path).unwrap_err().to_string();
    let shown = path.components().collect::<PathBuf>().display().to_string();
    assert!(error.contains(&shown), "{error}");
    error.replace(&shown, "DIR")
}

#[test]
fn it_is_made_with_what_is_above_it_and_closed_to_others() {
    let top = TempDir::new().unwrap();
    let path = top.path().join("a/b/state");
    let state = StateDir::open(&path).unwrap();
    assert_eq!(state.path(), path);
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("lock")), 0o600);
    assert_eq!(mode(&top.path().join("a")) & 0o022, 0, "nobody else can put another in its place");
    assert_ne!(mode(&top.path().join("a")), 0o700, "what is above it can be shared");
    drop(state);
    StateDir::open(&path).unwrap();
}

#[test]
fn two_daemons_never_share_one() {
    let top = TempDir::new().unwrap();
    let path = top.path().join("state");
    let first = StateDir::open(&path).unwrap();
    assert!(matches!(StateDir::open(&path), Err(StateError::InUse { .. })));
    assert_eq!(
        refusal(&path),
        "the state directory DIR is used by another knockd: give this one a state_dir of its own"
    );
    drop(first);
    StateDir::open(&path).unwrap();
}

#[test]
fn any_permission_of_others_is_refused() {
    let top = TempDir::new().unwrap();
    let path = top.path().join("state");
    drop(StateDir::open(&path).unwrap());
    for bit in [0o001, 0o002, 0o004, 0o010, 0o020, 0o040] {
        let mode = 0o700 | bit;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let expected =
            format!("the state directory DIR is open to others (mode {mode:04o}): run chmod 700 DIR");
        assert_eq!(refusal(&path), expected);
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    StateDir::open(&path).unwrap();
}

#[test]
fn another_users_is_refused() {
    let top = TempDir::new().unwrap();
    let (path, us) = (top.path().join("state"), geteuid().as_raw());
    let theirs = if us == 0 {
        drop(StateDir::open(&path).unwrap());
        chown(&path, Some(1000), None).unwrap();
        path
    } else {
        // Without privileges nothing can be given away, but there is much that is somebody else's.
        PathBuf::from("/usr")
    };
    let owner = if us == 0 { 1000 } else { 0 };
    let expected = format!(
        "the state directory DIR belongs to user {owner}, but knockd runs as user {us}: run chown {us} DIR, or name \
         another with state_dir"
    );
    assert_eq!(refusal(&theirs), expected);
}

#[test]
fn only_a_directory_itself_will_do() {
    let top = TempDir::new().unwrap();
    let (real, link, file) = (top.path().join("real"), top.path().join("link"), top.path().join("file"));
    drop(StateDir::open(&real).unwrap());
    symlink(&real, &link).unwrap();
    fs::write(&file, "").unwrap();
    let advice = "; move that away, or name a directory with state_dir";
    for named in [link.clone(), link.join("")] {
        assert_eq!(refusal(&named), format!("the state directory DIR is a symbolic link{advice}"));
    }
    assert_eq!(refusal(&file), format!("the state directory DIR is not a directory{advice}"));
    symlink(top.path().join("nowhere"), top.path().join("dangling")).unwrap();
    let error = refusal(&top.path().join("dangling"));
    assert!(error.contains("is a symbolic link"), "{error}");
    assert!(!top.path().join("nowhere").exists());
}

#[test]
fn a_place_where_none_can_be_made_is_named() {
    let top = TempDir::new().unwrap();
    fs::write(top.path().join("file"), "").unwrap();
    let error = refusal(&top.path().join("file/state"));
    assert!(error.starts_with("the state directory DIR cannot be made: "), "{error}");
    assert!(error.ends_with("; name one that knockd can use with state_dir"), "{error}");
}

#[test]
fn a_lock_that_is_no_file_is_refused() {
    let top = TempDir::new().unwrap();
    let path = top.path().join("state");
    drop(StateDir::open(&path).unwrap());
    fs::remove_file(path.join("lock")).unwrap();
    symlink("elsewhere", path.join("lock")).unwrap();
    assert!(refusal(&path).starts_with("the state directory DIR cannot be locked: "));
    fs::remove_file(path.join("lock")).unwrap();
    fs::create_dir(path.join("lock")).unwrap();
    assert!(refusal(&path).starts_with("the state directory DIR cannot be locked: "));
}

#[test]
fn one_that_others_could_put_another_in_the_place_of_is_refused() {
    let top = TempDir::new().unwrap();
    let (shared, path) = (top.path().join("shared"), top.path().join("shared/above/state"));
    drop(StateDir::open(&path).unwrap());
    let set_mode = |mode| fs::set_permissions(&shared, fs::Permissions::from_mode(mode)).unwrap();
    for (mode, who, letter) in [(0o775, "its group", "g"), (0o757, "others", "o")] {
        set_mode(mode);
        let shared = fs::canonicalize(&shared).unwrap().display().to_string();
        let expected = format!(
            "the state directory cannot be trusted: {shared}, on the way to DIR, can be written by {who} (mode {mode:04o}): \
             chmod {letter}-w {shared}"
        );
        assert_eq!(refusal(&path), expected);
    }
    set_mode(0o1777);
    StateDir::open(&path).unwrap();
}

#[test]
fn none_is_made_where_others_can_write() {
    let top = TempDir::new().unwrap();
    let shared = top.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
    let error = StateDir::open(&shared.join("above/state")).unwrap_err().to_string();
    assert!(error.contains("can be written by its group and others (mode 0777): chmod go-w "), "{error}");
    assert_eq!(fs::read_dir(&shared).unwrap().count(), 0);
}
