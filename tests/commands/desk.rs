//! Where command lines are typed: a shell that finds no program but what is put there, among files of the desk's own.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::root;

/// Other programs that the documents name.  They do nothing here; what they are told is looked at, see [`known`].
const OTHERS: [&str; 18] = [
    "apt",
    "cargo",
    "dnf",
    "firewall-cmd",
    "install",
    "ip6tables",
    "iptables",
    "mail",
    "man",
    "mv",
    "nc",
    "nft",
    "rustup",
    "ssh",
    "systemctl",
    "systemd-sysusers",
    "tcpdump",
    "ufw",
];

/// Programs that do no harm, and are run.
const REAL: [&str; 2] = ["cut", "sha256sum"];

/// Names and addresses of hosts, none of which is knocked at.
const HOSTS: [&str; 6] = ["fe80::1%eth0", " host ", "myserver", "server.example", "192.0.2.1", "192.0.2.7"];

/// Keeps knock from sending anything, which some of its options rule out.
const KNOCK: &str = r#"
what=--dry-run behind=
for argument; do
    shift
    [ -n "$behind" ] || case $argument in
    --) behind=yes ;;
    -q | --quiet) continue ;;
    --list) what= ;;
    esac
    set -- "$@" "$argument"
done
exec "$PROGRAM" $what "$@"
"#;

/// Keeps knockd from capturing: a daemon is not started, but its configuration and options are checked.
const KNOCKD: &str = r#"
what=--check config="-c $DESK/etc/knockd.conf" status=
for argument; do
    shift
    case $argument in
    --check | --read) what= ;;
    --init-counter | --init-counter=*) what= config="-c $DESK/etc/keyed.conf" ;;
    --status) what= status=4 ;;
    -c | --config) config= ;;
    -d | --daemon | --dry-run) continue ;;
    esac
    set -- "$@" "$argument"
done
"$PROGRAM" $what $config "$@" || [ $? = "$status" ]
"#;

/// The keys of the document on how sequences follow from them: a whole one, and that of the label `gate`.
const KEY: &[u8] = b"# knock key v1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
const GATE_KEY: &[u8] = b"# knock label key v1: gate\nQw0IlEd/NeJBea2S741gGE2rsXuwj3lqHsdmQnL2OzE=\n";

/// Notes what it is told, and takes what is piped into it, so that whoever writes that can.
const NOTE: &str = r#"
while read -r line; do :; done
for argument in "$PROGRAM" "$@"; do printf '%s\n' "$argument"; done >>"$DESK/notes"
printf '\n' >>"$DESK/notes"
"#;

pub(crate) struct Desk {
    directory: TempDir,
}

/// A program of ours.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_knock")).with_file_name(name);
    assert!(path.exists(), "no {}: build it first (cargo build --workspace)", path.display());
    path
}

impl Desk {
    pub(crate) fn new() -> Desk {
        let mut builder = tempfile::Builder::new();
        let directory =
            builder.permissions(Permissions::from_mode(0o755)).tempdir().expect("a temporary directory");
        let desk = Desk { directory };
        for directory in ["bin", "home/.config/knock", "var/lib/prometheus/node-exporter"] {
            desk.puts_directory(directory);
        }
        desk.puts_program("bin/knock", &program("knock"), KNOCK);
        desk.puts_program("bin/knockd", &program("knockd"), KNOCKD);
        desk.puts_program("bin/seqgen", &program("seqgen"), "exec \"$PROGRAM\" \"$@\"");
        desk.puts_program("bin/sudo", Path::new("sudo"), "exec \"$@\"");
        for name in OTHERS {
            desk.puts_program(&format!("bin/{name}"), Path::new(name), NOTE);
        }
        for name in REAL {
            let path = Path::new("/usr/bin").join(name);
            desk.puts_program(&format!("bin/{name}"), &path, "exec \"$PROGRAM\" \"$@\"");
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn puts_program(&self, name: &str, program: &Path, script: &str) {
        let path = self.path(name);
        let (desk, program) = (self.directory.path().display(), program.display());
        fs::write(&path, format!("#!/bin/sh\nDESK={desk} PROGRAM={program}\n{script}")).expect("a script");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("its mode");
    }

    /// Files that command lines name, as they are before each of them.
    fn tidies_up(&self) {
        for directory in ["work", "etc"] {
            // It may not be there yet.
            let _ = fs::remove_dir_all(self.path(directory));
        }
        for directory in ["work", "etc/knockd/keys", "home/.config/knock"] {
            self.puts_directory(directory);
        }
        let recorded =
            |name: &str| fs::read(root().join("examples/recorded").join(name)).expect("a recorded file");
        for name in ["knockd.conf", "pad", "knock.pcap"] {
            self.puts(&format!("work/{name}"), &recorded(name));
        }
        for name in ["work/seqs", "home/seqs", "etc/knockd/ssh.pad"] {
            self.puts(name, &recorded("pad"));
        }
        for name in ["work/key", "work/alice.key", "home/.config/knock/key"] {
            self.puts(name, KEY);
        }
        for name in ["work/gate.key", "etc/knockd/alice.key"] {
            self.puts(name, GATE_KEY);
        }
        let etc = self.path("etc");
        let keyed = format!(
            "[options]\nstate_dir = {0}/state\n[ssh]\none_time_key = {0}/knockd/alice.key\none_time_label = gate\n\
             command = true\n",
            etc.display()
        );
        self.puts("etc/keyed.conf", keyed.as_bytes());
        self.puts("work/my.key", KEY);
        self.puts("etc/knockd/keys/alice.key", GATE_KEY);
        let config = String::from_utf8(recorded("knockd.conf")).expect("text");
        let pad = format!("= {}", self.path("etc/knockd/ssh.pad").display());
        self.puts("etc/knockd.conf", config.replace("= pad", &pad).as_bytes());
        self.puts("home/.config/knock/config.toml", PROFILES.as_bytes());
        self.puts("notes", b"");
        self.puts_scripts();
    }

    /// One that nobody else can write to, whatever the user's umask: knockd refuses what others can change.
    fn puts_directory(&self, name: &str) {
        DirBuilder::new().recursive(true).mode(0o755).create(self.path(name)).expect("a directory");
    }

    fn puts(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        fs::write(&path, content).expect("a file");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("its mode");
    }

    /// This project's scripts, which do nothing here.
    fn puts_scripts(&self) {
        for directory in [".ci", "benches", "examples", "fuzz", "packaging", "tests"] {
            self.puts_directory(&format!("work/{directory}"));
            for entry in fs::read_dir(root().join(directory)).expect("a directory") {
                let path = entry.expect("an entry").path();
                let is_script = fs::read(&path).is_ok_and(|content| content.starts_with(b"#!"));
                let mode = path.metadata().expect("its mode").permissions().mode();
                if is_script && mode & 0o111 != 0 {
                    let name = path.strip_prefix(root()).expect("a file of the project");
                    self.puts_program(&format!("work/{}", name.display()), name, NOTE);
                }
            }
        }
    }

    /// Runs a command line, which must succeed and name nothing that is not there.
    pub(crate) fn runs(&self, line: &str) -> Result<(), String> {
        self.tidies_up();
        let mut line = line.trim().to_owned();
        for host in HOSTS {
            line = line.replace(host, &host.replace(host.trim(), "127.0.0.1"));
        }
        for place in ["/etc/knockd", "/var/lib/prometheus"] {
            line = line.replace(place, self.path(place.trim_start_matches('/')).to_str().expect("text"));
        }
        // Programs are looked for at the desk, wherever they are said to be.
        for place in ["/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"] {
            line = line.strip_prefix(place).unwrap_or(&line).to_owned();
        }
        if line.starts_with('/')
            || ["&& /", "|| /", "| /", "; /", "$(/", "sudo /"].iter().any(|it| line.contains(it))
        {
            return Err("where is this program?".to_owned());
        }
        // What it makes is not to be there.
        if let Some((_, made)) = line.split_once(" -o ") {
            let made = self.path("work").join(made.split(' ').next().unwrap_or_default());
            let _ = fs::remove_file(made);
        }
        self.types(&line)?;
        let notes = fs::read_to_string(self.path("notes")).expect("notes");
        notes.split("\n\n").filter(|note| !note.is_empty()).try_for_each(|note| {
            let words: Vec<_> = note.lines().collect();
            known(&words)
        })
    }

    /// Loads profiles.
    pub(crate) fn lists(&self, profiles: &str) -> Result<(), String> {
        self.tidies_up();
        self.puts("work/profiles.toml", profiles.as_bytes());
        self.types("knock --config profiles.toml --list")
    }

    fn types(&self, line: &str) -> Result<(), String> {
        let script = format!("set -eo pipefail\n{line}");
        let mut shell = Command::new("/bin/bash");
        shell
            .args(["--noprofile", "--norc", "-c", &script])
            .current_dir(self.path("work"))
            .stdin(Stdio::null());
        shell.env_clear().env("PATH", self.path("bin")).env("HOME", self.path("home"));
        let output = shell.output().expect("bash");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        output.status.success().then_some(()).ok_or_else(|| format!("{line}: {}\n{out}{err}", output.status))
    }
}

/// The profiles that command lines name.
const PROFILES: &str = "
[office]
address = \"127.0.0.1\"
file = \"~/seqs\"
wait = \"22/5\"
";

/// Whether what another program is told names only what there is.
fn known(words: &[&str]) -> Result<(), String> {
    let is_there = |path: &str| root().join(path).exists();
    for pair in words.windows(2) {
        let place = match pair[0] {
            "--test" => ["tests/", pair[1], ""].concat(),
            "--bench" => ["benches/", pair[1], ""].concat(),
            _ => continue,
        };
        if !is_there(&place) && !is_there(&format!("{place}.rs")) {
            return Err(format!("there is no {place}"));
        }
    }
    let program = words[0];
    for word in &words[1..] {
        let is_a_file_of_ours = word.contains('/')
            && !word.starts_with(['/', '~', '-', '{'])
            && !word.trim_start_matches("./").starts_with("target/");
        if is_a_file_of_ours && !is_there(word) {
            return Err(format!("there is no {word}"));
        }
    }
    // What is said to a script is in it, if only as a name; the tests have the names of those that are run alone.
    if program.contains('/') && program != "tests/run.sh" {
        let script =
            fs::read_to_string(root().join(program)).map_err(|error| format!("{program}: {error}"))?;
        let is_target = |word: &str| program == "fuzz/run.sh" && is_there(&format!("fuzz/corpus/{word}"));
        for word in &words[1..] {
            if !script.contains(word) && word.parse::<u32>().is_err() && !is_target(word) {
                return Err(format!("{program} does not know {word}"));
            }
        }
    }
    Ok(())
}
