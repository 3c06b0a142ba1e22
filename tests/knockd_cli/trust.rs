//! Configurations and pads that others can change.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::{DOOR, Ran, directory, knockd};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Runs it with this configuration in each way that there is; it never gets as far as opening anything.
fn in_each_way(config: &Path) -> [Ran; 4] {
    let config = config.to_str().unwrap();
    [&["-i", "nosuch7", "-p", "/dev/null/pid"][..], &["-d"], &["--check"], &["--read", "/dev/null/none"]]
        .map(|way| knockd(&[&["-c", config], way].concat()))
}

#[test]
fn a_configuration_that_others_can_write_to_is_exit_code_3_with_the_command_that_mends_it() {
    let directory = directory();
    let path = directory.path().join("knockd.conf");
    fs::write(&path, DOOR).unwrap();
    for (mode, who, letters) in
        [(0o664, "its group", "g"), (0o602, "others", "o"), (0o666, "its group and others", "go")]
    {
        set_mode(&path, mode);
        let path = path.display();
        let expected = format!(
            "knockd: the configuration is refused: {path} can be written by {who} (mode {mode:04o}): \
             chmod {letters}-w {path}\n"
        );
        for ran in in_each_way(&directory.path().join("knockd.conf")) {
            assert_eq!(ran.code, Some(3), "{}", ran.err);
            assert!(ran.err.contains(&expected), "{}", ran.err);
            assert_eq!(ran.out, "");
        }
    }
    set_mode(&path, 0o644);
    let ran = knockd(&["-c", path.to_str().unwrap(), "--check"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
}

#[test]
fn a_configuration_that_others_can_replace_is_exit_code_3() {
    let directory = directory();
    let (real, link) = (directory.path().join("real"), directory.path().join("link"));
    fs::create_dir(&real).unwrap();
    fs::write(real.join("knockd.conf"), DOOR).unwrap();
    symlink("real/knockd.conf", &link).unwrap();
    set_mode(&real, 0o775);
    let place = fs::canonicalize(&real).unwrap();
    for path in [real.join("knockd.conf"), link] {
        let words = format!(
            "the configuration is refused: {place}, on the way to {}, can be written by its group (mode 0775): \
             chmod g-w {place}\n",
            path.display(),
            place = place.display()
        );
        for ran in in_each_way(&path) {
            assert_eq!(ran.code, Some(3), "{}", ran.err);
            assert!(ran.err.contains(&words), "{}", ran.err);
        }
        set_mode(&real, 0o755);
        let ran = knockd(&["-c", path.to_str().unwrap(), "--check"]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        set_mode(&real, 0o775);
    }
}

#[test]
fn check_tells_of_pads_that_others_can_read_or_write() {
    let directory = directory();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("pads")).unwrap();
    for (name, mode) in [("alice", 0o600), ("bob", 0o640), ("carol", 0o620)] {
        let pad = at("pads").join(name).with_extension("pad");
        fs::write(&pad, " 1,2\n").unwrap();
        set_mode(&pad, mode);
    }
    let door =
        format!("[d]\none_time_sequences = {}\ntcpflags = syn\ncommand = true\n", at("pads").display());
    fs::write(at("knockd.conf"), door).unwrap();
    let check = || knockd(&["-c", at("knockd.conf").to_str().unwrap(), "--check"]);
    let ran = check();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let pads = at("pads").display().to_string();
    let expected = format!(
        "d: 1 sequence left in {pads}/alice.pad\n\
         d: {pads}/bob.pad can be read by its group (mode 0640), and whoever has read it can knock: chmod g-r {pads}/bob.pad\n\
         d: 1 sequence left in {pads}/bob.pad\n\
         d: the door would stay shut: {pads}/carol.pad can be written by its group (mode 0620): chmod g-w {pads}/carol.pad\n"
    );
    assert!(ran.out.starts_with(&expected), "{}", ran.out);

    set_mode(&at("pads").join("carol.pad"), 0o600);
    set_mode(&at("pads"), 0o777);
    let ran = check();
    let words = "can be written by its group and others (mode 0777): chmod go-w ";
    assert_eq!(ran.out.matches(words).count(), 3, "{}", ran.out);
}
