//! Whose process it becomes, and what that user may do: nothing.

use rustix::fs::{Gid, Uid};
use rustix::process::{getegid, geteuid, getgid, getgroups, getuid};
use rustix::thread::{CapabilitySet, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::failure::{ConfineError, Step};
use super::identity::Identity;
use super::lacking::Lacking;
use super::nowhere;
use crate::privileges::{has, limit_bounding_set, limit_own};

/// Changes to a root directory in which there is nothing.
pub(super) fn change_root() -> Result<Option<Lacking>, ConfineError> {
    let entered =
        has(CapabilitySet::SYS_CHROOT) && nowhere::enter().map_err(ConfineError::at(Step::Chroot))?;
    Ok((!entered).then_some(Lacking::Chroot))
}

/// Becomes this user for good, in no other group, without capabilities.
pub(super) fn become_user(identity: Identity) -> Result<Vec<Lacking>, ConfineError> {
    let mut lacking = Vec::new();
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    if has(CapabilitySet::SETPCAP) {
        limit_bounding_set(CapabilitySet::empty()).map_err(ConfineError::at(Step::BoundingSet))?;
    } else {
        lacking.push(Lacking::BoundingSet);
    }
    if has(CapabilitySet::SETGID | CapabilitySet::SETUID) {
        set_thread_groups(&[]).map_err(ConfineError::at(Step::Groups))?;
        set_thread_res_gid(gid, gid, gid).map_err(ConfineError::at(Step::Group))?;
        set_thread_res_uid(uid, uid, uid).map_err(ConfineError::at(Step::User))?;
    } else {
        if (getuid(), geteuid(), getgid(), getegid()) != (uid, uid, gid, gid) {
            lacking.push(Lacking::User);
        }
        let groups = getgroups().map_err(ConfineError::at(Step::Groups))?;
        if groups.iter().any(|group| *group != getegid()) {
            lacking.push(Lacking::Groups);
        }
    }
    limit_own(CapabilitySet::empty()).map_err(ConfineError::at(Step::Capabilities))?;
    Ok(lacking)
}
