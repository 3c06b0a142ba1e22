//! ssh(1) that knocks by itself, at a real sshd behind a shut firewall.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::daemon::Daemon;
use crate::firewall::{self, NFT_CLOSE, NFT_OPEN};
use crate::net::{Lab, SERVER, skip};
use crate::own_run;
use crate::pads::Pads;
use crate::programs;
use crate::wait::{PATIENCE, wait_until};

/// Where sshd listens; the lab's own service has the usual port.
const PORT: u16 = 2222;

const SSHD: &str = "/usr/sbin/sshd";

/// Lets in what the door lets in, at sshd's port.
const RULE: &str = "add rule inet lab input tcp dport 2222 ip saddr @friends accept";

/// An sshd of the test's own on the server, and whoever may log in there on the client.
struct Ssh {
    lab: Lab,
    pads: Pads,
    sshd: Child,
}

impl Ssh {
    fn start(test: &str) -> Option<(Self, Daemon)> {
        let lab = Lab::new(test)?;
        if !Path::new(SSHD).exists() {
            return skip(test, "needs sshd: install openssh-server");
        }
        firewall::nft(&lab.server);
        lab.server.succeeds(Command::new("nft").arg(RULE));
        // sshd's empty directory, which is made by the package's own service otherwise.
        fs::create_dir(own_run::directory(&lab).join("sshd")).expect("a directory");
        for name in ["host", "person"] {
            let path = lab.path(name);
            lab.client
                .succeeds(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path));
        }
        let known = format!("[{SERVER}]:{PORT} {}", lab.read("host.pub"));
        fs::write(lab.path("known_hosts"), known).expect("the known hosts");
        let config = format!(
            "Port {PORT}\nListenAddress {SERVER}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             StrictModes no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n",
            lab.path("host").display(),
            lab.path("person.pub").display(),
        );
        let path = lab.path("sshd_config");
        fs::write(&path, config).expect("sshd's configuration");
        let log = File::create(lab.path("sshd.log")).expect("sshd's log");
        let command = own_run::seen_by(&lab, Command::new(SSHD).args(["-D", "-e", "-f"]).arg(path));
        let mut command = lab.server.command(&command);
        let sshd = command.stdin(Stdio::null()).stderr(log).spawn().expect("ip: install iproute2");
        let listens = || lab.read("sshd.log").contains("Server listening");
        assert!(wait_until(PATIENCE, listens), "sshd does not listen:\n{}", lab.read("sshd.log"));

        let pads = Pads::generate(&lab, "ssh", 12, &[]);
        let daemon = Daemon::start(
            &lab,
            &format!(
                "\n[ssh]\n    one_time_sequences = {}\n    tcpflags = syn\n    start_command = {NFT_OPEN}\n    \
                 cmd_timeout = 600\n    stop_command = {NFT_CLOSE}\n",
                pads.server.display()
            ),
        );
        let ssh = Self { lab, pads, sshd };
        ssh.write_profile();
        assert!(!ssh.lab.client.connects(SERVER, PORT), "the firewall should be shut before the knock");
        Some((ssh, daemon))
    }

    fn write_profile(&self) {
        let profile = format!(
            "[office]\naddress = \"{SERVER}\"\nfile = \"{}\"\nwait = \"{PORT}/10\"\n",
            self.pads.client.display()
        );
        fs::create_dir(self.lab.path("knock")).expect("the client's directory");
        fs::write(self.lab.path("knock/config.toml"), profile).expect("the profile");
    }

    /// ssh's configuration, which begins with `first`.
    fn config(&self, first: &str) -> PathBuf {
        let path = self.lab.path("ssh_config");
        let text = format!(
            "{first}\nHost office\n    HostName {SERVER}\n    Port {PORT}\n    User root\n    IdentityFile {}\n    \
             IdentitiesOnly yes\n    UserKnownHostsFile {}\n    StrictHostKeyChecking yes\n    BatchMode yes\n    \
             ConnectTimeout 5\n",
            self.lab.path("person").display(),
            self.lab.path("known_hosts").display(),
        );
        fs::write(&path, text).expect("ssh's configuration");
        path
    }

    /// Runs a command on the client as a person whose programs and profiles are where they are looked for.
    fn run(&self, command: &[&str]) -> Output {
        let knock = programs::knock();
        let directory = knock.parent().expect("a directory").display();
        let path = format!("PATH={directory}:{}", std::env::var("PATH").unwrap_or_default());
        let profiles = format!("XDG_CONFIG_HOME={}", self.lab.path("").display());
        let mut env = Command::new("env");
        env.args(["SHELL=/bin/sh", &path, &profiles]).args(command);
        self.lab.client.run(&env)
    }

    #[track_caller]
    fn says_hello(&self, command: &[&str]) {
        let output = self.run(command);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && out == "hello\n", "{out}{err}{}", self.lab.read("sshd.log"));
        assert_eq!(err, "", "something was said besides");
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

/// Connects three times through this configuration, and checks that only the first one knocks.
fn the_first_connection_knocks_and_the_others_do_not(ssh: &Ssh, daemon: &Daemon, first: &str) {
    let config = ssh.config(first).display().to_string();
    for _ in 0..3 {
        ssh.says_hello(&["ssh", "-F", &config, "office", "echo hello"]);
        // Whatever copies files or fetches repositories goes the same way.
        ssh.pads.client_has_struck(1);
    }
    assert_eq!(daemon.openings(&ssh.lab, "ssh"), 1, "an open door was knocked at");
    ssh.pads.server_has_struck(1);
}

#[test]
fn ssh_knocks_by_match_exec_only_where_the_door_is_shut() {
    let Some((ssh, daemon)) = Ssh::start("ssh_knocks_by_match_exec_only_where_the_door_is_shut") else {
        return;
    };
    let first = "Match host office exec \"knock -q office\"";
    the_first_connection_knocks_and_the_others_do_not(&ssh, &daemon, first);
}

#[test]
fn ssh_knocks_by_match_exec_wherever_in_the_file_it_stands() {
    let test = "ssh_knocks_by_match_exec_wherever_in_the_file_it_stands";
    let Some((ssh, daemon)) = Ssh::start(test) else { return };
    let first =
        format!("Host office\n    HostName {SERVER}\nMatch originalhost office exec \"knock -q office\"");
    the_first_connection_knocks_and_the_others_do_not(&ssh, &daemon, &first);
}

#[test]
fn ssh_knocks_by_proxy_command_only_where_the_door_is_shut() {
    let test = "ssh_knocks_by_proxy_command_only_where_the_door_is_shut";
    let Some((ssh, daemon)) = Ssh::start(test) else { return };
    let first = "Host office\n    ProxyCommand knock -q office -- nc %h %p";
    the_first_connection_knocks_and_the_others_do_not(&ssh, &daemon, first);
}

#[test]
fn ssh_runs_behind_a_knock_only_where_the_door_is_shut() {
    let Some((ssh, daemon)) = Ssh::start("ssh_runs_behind_a_knock_only_where_the_door_is_shut") else {
        return;
    };
    let config = ssh.config("").display().to_string();
    for _ in 0..2 {
        ssh.says_hello(&["knock", "office", "--", "ssh", "-F", &config, "office", "echo hello"]);
        ssh.pads.client_has_struck(1);
    }
    let output = ssh.run(&["knock", "office", "--", "ssh", "-F", &config, "office", "exit 33"]);
    assert_eq!(output.status.code(), Some(33), "{output:?}");
    assert_eq!(daemon.openings(&ssh.lab, "ssh"), 1, "an open door was knocked at");
    ssh.pads.server_has_struck(1);
}
