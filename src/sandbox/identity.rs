//! The user as whom packets are read.

use nix::errno::Errno;
use nix::unistd::User;

/// Who that is where nobody says so: the first of these whom the system knows.
const USUAL: [&str; 2] = ["knockd", "nobody"];

/// The user as whom packets are read, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user's id; never 0.
    pub uid: u32,
    /// The id of the user's own group; never 0.
    pub gid: u32,
}

/// Why nobody can be found as whom to read packets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownUser {
    /// There is no user of the configured name.
    #[error("there is no user {0}; name another one with `user`, or add {0} with `useradd --system {0}`")]
    Named(String),
    /// There is none of the usual ones.
    #[error(
        "there is neither a user knockd nor a user nobody to read packets; name one with `user`, or add knockd with \
         `useradd --system knockd`"
    )]
    Usual,
    /// The user is root, or in root's group.
    #[error(
        "the user {0} cannot read packets, having the id 0 or that of root's group; name another one with `user`"
    )]
    Root(String),
    /// The system's users cannot be looked up.
    #[error("the user {name} cannot be looked up: {error}")]
    LookUp {
        /// Who was looked for.
        name: String,
        /// What the system said.
        error: Errno,
    },
}

impl Identity {
    /// The user of this name or, by default, `knockd`, else `nobody`.
    ///
    /// # Errors
    /// If there is no such user, or that user is root.
    pub fn find(user: Option<&str>) -> Result<Identity, UnknownUser> {
        if let Some(name) = user {
            return look_up(name)?.ok_or_else(|| UnknownUser::Named(name.to_owned()));
        }
        let name = Identity::usual()?;
        look_up(name)?.ok_or(UnknownUser::Usual)
    }

    /// The name of the user by default.
    ///
    /// # Errors
    /// If there is none of those that it could be, or that one is root.
    pub fn usual() -> Result<&'static str, UnknownUser> {
        for name in USUAL {
            if look_up(name)?.is_some() {
                return Ok(name);
            }
        }
        Err(UnknownUser::Usual)
    }
}

fn look_up(name: &str) -> Result<Option<Identity>, UnknownUser> {
    let found =
        User::from_name(name).map_err(|error| UnknownUser::LookUp { name: name.to_owned(), error })?;
    let Some(user) = found else { return Ok(None) };
    let identity = Identity { uid: user.uid.as_raw(), gid: user.gid.as_raw() };
    if identity.uid == 0 || identity.gid == 0 {
        return Err(UnknownUser::Root(name.to_owned()));
    }
    Ok(Some(identity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_reads_no_packets() {
        assert_eq!(Identity::find(Some("root")), Err(UnknownUser::Root("root".to_owned())));
    }

    #[test]
    fn an_unknown_user_is_named_with_what_to_do() {
        let error = Identity::find(Some("no-such-user")).unwrap_err();
        assert!(error.to_string().contains("useradd --system no-such-user"), "{error}");
    }

    #[test]
    fn without_a_name_it_is_knockd_or_nobody() {
        let usual = look_up("knockd").unwrap().or_else(|| look_up("nobody").unwrap());
        assert_eq!(Identity::find(None), usual.ok_or(UnknownUser::Usual));
        assert_eq!(Identity::find(Some("nobody")).ok(), look_up("nobody").unwrap());
    }
}
