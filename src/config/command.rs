//! What a door runs: a line for the shell, or a program with its arguments.

use std::fmt;
use std::net::IpAddr;

/// Stands for the knocker's address in commands.
pub(super) const ADDRESS: &str = "%IP%";

/// A command, in which `%IP%` stands for the knocker's address until it is rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Text for `/bin/sh -c`; never empty.
    Shell(String),
    /// A program that runs without a shell.
    Argv(Argv),
}

/// A program and its arguments; the program is never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argv(Vec<String>);

impl Argv {
    /// These words, or `None` where there is none or where the first, the program, is empty.
    pub fn new(words: Vec<String>) -> Option<Argv> {
        words.first().is_some_and(|program| !program.is_empty()).then_some(Argv(words))
    }

    /// The path of the program, or its name, which is looked up in the search path.
    pub fn program(&self) -> &str {
        &self.0[0]
    }

    /// What follows the program.
    pub fn arguments(&self) -> &[String] {
        &self.0[1..]
    }

    /// The program and its arguments.
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

impl Command {
    /// The command for this knocker.  An address is made of digits, letters, dots and colons, so nothing that a
    /// stranger controls can break out of the shell's quoting.
    #[must_use]
    pub fn render(&self, address: IpAddr) -> Command {
        let address = address.to_string();
        let fill = |text: &String| text.replace(ADDRESS, &address);
        match self {
            Command::Shell(text) => Command::Shell(fill(text)),
            Command::Argv(Argv(words)) => Command::Argv(Argv(words.iter().map(fill).collect())),
        }
    }
}

/// As a shell takes it, so that a line of the log can be pasted into one.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Shell(text) => f.write_str(text),
            Command::Argv(Argv(words)) => {
                // Nothing is lost in allowing NUL here: a configuration never holds one.
                let quoter = shlex::Quoter::new().allow_nul(true);
                for (index, word) in words.iter().enumerate() {
                    if index > 0 {
                        f.write_str(" ")?;
                    }
                    f.write_str(&quoter.quote(word).map_err(|_| fmt::Error)?)?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(words: &[&str]) -> Command {
        Command::Argv(Argv::new(words.iter().map(|&word| word.to_owned()).collect()).unwrap())
    }

    #[test]
    fn every_instance_of_ip_is_replaced() {
        let command = Command::Shell("a %IP% b %IP%/32 %ip%".to_owned());
        let rendered = |address: &str| command.render(address.parse().unwrap()).to_string();
        assert_eq!(rendered("192.0.2.2"), "a 192.0.2.2 b 192.0.2.2/32 %ip%");
        assert_eq!(rendered("2001:db8::2"), "a 2001:db8::2 b 2001:db8::2/32 %ip%");
    }

    #[test]
    fn ip_is_replaced_in_each_word() {
        let command = argv(&["/bin/%IP%", "-s", "%IP%/32,%IP%"]);
        let expected = argv(&["/bin/192.0.2.2", "-s", "192.0.2.2/32,192.0.2.2"]);
        assert_eq!(command.render("192.0.2.2".parse().unwrap()), expected);
    }

    #[test]
    fn a_program_needs_a_name() {
        assert_eq!(Argv::new(Vec::new()), None);
        assert_eq!(Argv::new(vec![String::new(), "a".to_owned()]), None);
        let words = Argv::new(vec!["p".to_owned(), String::new()]).unwrap();
        assert_eq!((words.program(), words.arguments()), ("p", &[String::new()][..]));
    }

    #[test]
    fn words_are_shown_so_that_a_shell_reads_them_back() {
        let words = ["/bin/x", "a b", "", "$(id)", "it's", "{192.0.2.2}"];
        let shown = argv(&words).to_string();
        assert_eq!(shlex::split(&shown).unwrap(), words);
        assert!(shown.starts_with("/bin/x 'a b' '' "), "{shown}");
    }
}
