//! Writes completions of the three programs for bash, zsh and fish, from the tables that parse their command lines.
//!
//! `cargo run --example completions -- DIRECTORY` makes `DIRECTORY/{bash,zsh,fish}/`, each file under the name by which
//! its shell looks for it.

use std::path::PathBuf;
use std::{env, fs, io};

use clap::{Arg, Command, CommandFactory, Id, ValueHint};
use clap_complete::{Shell, generate_to};

// What seqgen is asked belongs to its program, not to its library.
#[path = "../seqgen/src/cli/args.rs"]
mod seqgen_args;

fn main() -> io::Result<()> {
    let mut arguments = env::args_os().skip(1);
    let (Some(directory), None) = (arguments.next().map(PathBuf::from), arguments.next()) else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "name the directory to write to, and nothing else",
        ));
    };
    let programs = [
        ("knockd", knockd::daemon::Args::command()),
        ("knock", knockd::client::Args::command()),
        ("seqgen", seqgen_args::Args::command()),
    ];
    for (shell, name) in [(Shell::Bash, "bash"), (Shell::Zsh, "zsh"), (Shell::Fish, "fish")] {
        let directory = directory.join(name);
        fs::create_dir_all(&directory)?;
        for (program, command) in &programs {
            let written = generate_to(shell, &mut shown(program, command), *program, &directory)?;
            if shell == Shell::Bash {
                fs::rename(written, directory.join(program))?;
            }
        }
    }
    Ok(())
}

/// The command without what is hidden from its help: what a program tells its own processes.
fn shown(program: &'static str, command: &Command) -> Command {
    let mut whole = command.clone();
    // Adds --help and --version where the program leaves them to clap.
    whole.build();
    let arguments: Vec<Arg> =
        whole.get_arguments().filter(|argument| !argument.is_hide_set()).cloned().map(hinted).collect();
    // Some arguments ask for one of a group.
    let is_shown = |id: &Id| arguments.iter().any(|argument| argument.get_id() == id);
    let groups: Vec<_> = whole.get_groups().filter(|group| group.get_args().all(is_shown)).cloned().collect();
    let bare = Command::new(program).version("").disable_help_flag(true).disable_version_flag(true);
    bare.args(arguments).groups(groups)
}

/// The argument, with what shells can know of its values besides files.
fn hinted(argument: Arg) -> Arg {
    let is = |name: &str| argument.get_value_names().is_some_and(|names| names.iter().any(|it| it == name));
    if is("HOST") { argument.value_hint(ValueHint::Hostname) } else { argument }
}
