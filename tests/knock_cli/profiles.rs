//! Profiles: where they are read from, what they stand for, and that a bad file uses nothing.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::{Catcher, KNOCK, LONG, Pad, Ran, knock};

/// A person's home directory.
struct Home(TempDir);

impl Home {
    /// With these profiles.
    fn with(profiles: &str) -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        let config = home.config();
        fs::create_dir_all(config.parent().unwrap()).unwrap();
        fs::write(&config, profiles).unwrap();
        #[cfg(unix)]
        chmod(&config, 0o600);
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn config(&self) -> PathBuf {
        self.path().join(".config/knock/config.toml")
    }

    /// Moves a pad to where `~/seqs` means it.
    fn seqs(&self, text: &str) -> PathBuf {
        let path = self.path().join("seqs");
        fs::copy(Pad::new(text).path(), &path).unwrap();
        path
    }

    fn knock(&self, line: &str) -> Ran {
        let mut command = assert_cmd::Command::new(KNOCK);
        command.env_remove("XDG_CONFIG_HOME").env("HOME", self.path());
        command.args(line.split_whitespace()).timeout(LONG).output().unwrap().into()
    }
}

#[cfg(unix)]
fn chmod(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

const LOOPBACK: &str = "[office]\naddress = '127.0.0.1'\nports = [1, '2:udp']\ndelay = 0\n";

#[test]
fn a_word_that_names_a_profile_stands_for_all_of_it() {
    let home = Home::with(LOOPBACK);
    assert_eq!(home.knock("-v office").quietly(), "hitting tcp 127.0.0.1:1\nhitting udp 127.0.0.1:2\n");
    assert_eq!(home.knock("-v office 3").quietly(), "hitting tcp 127.0.0.1:3\n");
    // Whatever is no profile is a host.
    assert_eq!(home.knock("-v -4 localhost 4").out, "hitting tcp 127.0.0.1:4\n");
}

#[test]
fn the_file_is_found_where_it_belongs_or_where_it_is_said_to_be() {
    let home = Home::with(LOOPBACK);
    let elsewhere = home.path().join("xdg/knock/config.toml");
    fs::create_dir_all(elsewhere.parent().unwrap()).unwrap();
    fs::write(&elsewhere, LOOPBACK.replace("127.0.0.1", "127.0.0.2")).unwrap();
    let chosen = home.path().join("chosen.toml");
    fs::write(&chosen, LOOPBACK.replace("127.0.0.1", "127.0.0.3")).unwrap();
    // Whatever the umask of whoever runs the tests.
    #[cfg(unix)]
    for path in [&elsewhere, &chosen] {
        chmod(path, 0o644);
    }
    let run = |xdg: &str, config: Option<&Path>| {
        let mut command = assert_cmd::Command::new(KNOCK);
        command.env("HOME", home.path()).env("XDG_CONFIG_HOME", xdg).args(["--dry-run", "office"]);
        command.args(config.map(|path| ["--config".as_ref(), path.as_os_str()]).into_iter().flatten());
        Ran::from(command.timeout(LONG).output().unwrap()).quietly().lines().next().unwrap().to_owned()
    };
    let xdg = home.path().join("xdg");
    assert_eq!(run("", None), "would hit tcp 127.0.0.1:1");
    // A relative one does not count.
    assert_eq!(run("xdg", None), "would hit tcp 127.0.0.1:1");
    assert_eq!(run(xdg.to_str().unwrap(), None), "would hit tcp 127.0.0.2:1");
    assert_eq!(run(xdg.to_str().unwrap(), Some(&chosen)), "would hit tcp 127.0.0.3:1");
}

#[test]
fn a_profile_with_a_pad_takes_its_next_line() {
    let home = Home::with("[office]\naddress = '127.0.0.1'\nfile = '~/seqs'\n");
    let seqs = home.seqs(&Pad::of(20).text());
    home.knock("office").quietly();
    home.knock("--resync office").quietly();
    assert_eq!(fs::read_to_string(seqs).unwrap().matches('#').count(), 3);
}

#[test]
fn the_list_shows_every_profile_and_no_port() {
    let home = Home::with(
        "[office]\naddress = 'server.example'\nfile = '~/seqs'\nwait = 22\n\
         [nas]\naddress = '192.0.2.1'\nports = [7000, 8000]\nfamily = 'ipv4'\n\
         [gone]\naddress = 'other.example'\nfile = '/nonexistent/seqs'\nfamily = 'both'\n",
    );
    let seqs = home.seqs(&(Pad::of(12).text() + "#1,2,3\n"));
    let expected = format!(
        "office  server.example                 {} (12 left), waits for 22/10\n\
         nas     192.0.2.1 (IPv4)               2 ports\n\
         gone    other.example (IPv4 and IPv6)  /nonexistent/seqs (cannot be read: there is no such file; ",
        seqs.display()
    );
    let shown = home.knock("--list").quietly();
    assert!(shown.starts_with(&expected), "{shown}\ninstead of\n{expected}");
    assert_eq!(shown.lines().count(), 3);
}

#[test]
fn without_a_file_there_are_no_profiles() {
    let home = Home(tempfile::tempdir().unwrap());
    let ran = home.knock("--list");
    let said = format!("knock: no profiles: there is no {}\n", home.config().display());
    assert_eq!((ran.code, ran.out.as_str(), ran.err), (Some(0), "", said));
    home.knock("office").refused(2, "`office` needs ports to hit, <PORT[:tcp|udp]>, or --file <FILE>");
}

#[test]
fn a_bad_file_is_shown_and_nothing_is_used() {
    let catcher = Catcher::new();
    let line = format!(" {}:udp,1:udp\n", catcher.port());
    let text =
        "[office]\naddress = '127.0.0.1'\nfile = '~/seqs'\n[home]\naddress = '127.0.0.1'\nwait = 'ssh'\n";
    let home = Home::with(text);
    let seqs = home.seqs(&line);
    let config = home.config().display().to_string();
    for command in ["office", "home 1", "-f ~/seqs localhost", "--list"] {
        let ran = home.knock(command);
        for part in [
            "error: `ssh` is not a port number".to_owned(),
            format!("--> {config}:6:8\n"),
            "6 | wait = 'ssh'\n  |        ^^^^^".to_owned(),
            format!("knock: the profiles in {config} cannot be used; nothing was sent\n"),
        ] {
            assert!(ran.err.contains(&part), "{command}: no {part:?} in {}", ran.err);
        }
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{command}");
        assert!(!ran.err.contains('\u{1b}'), "colour without a terminal: {:?}", ran.err);
    }
    catcher.assert_nothing();
    assert_eq!(fs::read_to_string(&seqs).unwrap(), line);
    // Whoever types an address gets along without the file.
    let port = catcher.port();
    home.knock(&format!("127.0.0.1 {port}:udp")).quietly();
    catcher.hit();
    home.knock(&format!("--config {config} 127.0.0.1 {port}:udp")).refused(2, "cannot be used");
    catcher.assert_nothing();
}

#[test]
fn a_file_that_cannot_be_read_holds_up_nobody_who_says_all_of_it() {
    let home = Home(tempfile::tempdir().unwrap());
    fs::create_dir_all(home.config()).unwrap();
    assert_eq!(home.knock("-v -4 localhost 1").out, "hitting tcp 127.0.0.1:1\n");
    let said =
        format!("knock: the profiles in {} cannot be read: it is no regular file", home.config().display());
    home.knock("office").refused(2, &said);
    home.knock("--list").refused(2, &said);
}

#[test]
fn what_does_not_fit_a_profile_ends_with_2() {
    let home = Home::with(&(LOOPBACK.to_owned() + "[none]\naddress = '127.0.0.1'\n"));
    for (line, message) in [
        ("ofice", "`ofice` is no profile in "),
        ("ofice", "config.toml (office, none), and a host needs ports to hit"),
        ("none", "the profile `none` has neither `file` nor `key` nor `ports`"),
        ("--resync office", "--resync needs --file"),
        ("--retry 1 office", "--retry needs --wait"),
        ("-w 1 office", "--wait cannot try port 1,"),
        ("--list office", "'--list' cannot be used with"),
        ("--list -q", "'--list' cannot be used with"),
        ("--config", "a value is required for '--config <FILE>'"),
    ] {
        home.knock(line).refused(2, message);
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_read_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (path, reason) in [
        (folder.path().join("absent"), "No such file"),
        (folder.path().to_owned(), "it is no regular file"),
        (pipe, "it is no regular file"),
    ] {
        let path = path.to_str().unwrap();
        for line in [&["127.0.0.1", "1"][..], &["--list"]] {
            let ran = knock([&["--config", path][..], line].concat());
            ran.refused(2, &format!("knock: the profiles in {path} cannot be read: {reason}"));
        }
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_somebody_else_can_change_is_not_used() {
    let catcher = Catcher::new();
    let line = format!(" {}:udp,1:udp\n", catcher.port());
    let home = Home::with("[office]\naddress = '127.0.0.1'\nfile = '~/seqs'\n");
    let seqs = home.seqs(&line);
    let config = home.config();
    let shown = config.display().to_string();
    for (mode, whom) in [(0o620, "its group"), (0o602, "others"), (0o666, "its group and others")] {
        chmod(&config, mode);
        let said = format!(
            "knock: the profiles in {shown} are not used, since {whom} can write to that file, and choose where you \
             knock and with what: chmod go-w {shown}\n"
        );
        for command in ["office", "--list", "--dry-run office", "office -- true"] {
            home.knock(command).refused(2, &said);
        }
        home.knock(&format!("--config {shown} 127.0.0.1 1")).refused(2, &said);
        // Whoever says all of it gets along without the file.
        assert_eq!(home.knock("-v -4 localhost 1").out, "hitting tcp 127.0.0.1:1\n");
    }
    catcher.assert_nothing();
    assert_eq!(fs::read_to_string(&seqs).unwrap(), line);
    for mode in [0o400, 0o644] {
        chmod(&config, mode);
        home.knock("--dry-run office").out.lines().next().unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_file_of_another_user_is_not_used_and_one_of_roots_is() {
    let somebody = crate::support::Unprivileged::new();
    let file = somebody.pad(LOOPBACK, 0o644);
    let path = file.to_str().unwrap();
    if fs::metadata(&file).unwrap().uid() == 65534 {
        let said =
            format!("knock: the profiles in {path} are not used, since that file belongs to user 65534");
        knock(["--config", path, "--list"]).refused(2, &said);
        std::os::unix::fs::chown(&file, Some(0), None).unwrap();
    }
    assert_eq!(somebody.knock(["--config", path, "-v", "office"]).out.lines().count(), 2);
}
