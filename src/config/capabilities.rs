//! Capabilities: what root's power is made of, and which parts of it are kept.

use std::fmt;

use super::directives;
use super::excerpt::excerpt;
use super::fault::Fault;
use super::lookalike;
use super::values::Word;

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// A bit for each, at the place of its number.
    bits: u64,
}

impl Capabilities {
    /// Names and numbers (capabilities(7), `linux/capability.h`).
    pub(super) const NAMED: &[(&str, u8)] = &[
        ("cap_chown", 0),
        ("cap_dac_override", 1),
        ("cap_dac_read_search", 2),
        ("cap_fowner", 3),
        ("cap_fsetid", 4),
        ("cap_kill", 5),
        ("cap_setgid", 6),
        ("cap_setuid", 7),
        ("cap_setpcap", 8),
        ("cap_linux_immutable", 9),
        ("cap_net_bind_service", 10),
        ("cap_net_broadcast", 11),
        ("cap_net_admin", 12),
        ("cap_net_raw", 13),
        ("cap_ipc_lock", 14),
        ("cap_ipc_owner", 15),
        ("cap_sys_module", 16),
        ("cap_sys_rawio", 17),
        ("cap_sys_chroot", 18),
        ("cap_sys_ptrace", 19),
        ("cap_sys_pacct", 20),
        ("cap_sys_admin", 21),
        ("cap_sys_boot", 22),
        ("cap_sys_nice", 23),
        ("cap_sys_resource", 24),
        ("cap_sys_time", 25),
        ("cap_sys_tty_config", 26),
        ("cap_mknod", 27),
        ("cap_lease", 28),
        ("cap_audit_write", 29),
        ("cap_audit_control", 30),
        ("cap_setfcap", 31),
        ("cap_mac_override", 32),
        ("cap_mac_admin", 33),
        ("cap_syslog", 34),
        ("cap_wake_alarm", 35),
        ("cap_block_suspend", 36),
        ("cap_audit_read", 37),
        ("cap_perfmon", 38),
        ("cap_bpf", 39),
        ("cap_checkpoint_restore", 40),
    ];

    /// Those of these numbers.
    pub fn of(numbers: impl IntoIterator<Item = u8>) -> Capabilities {
        let bits = numbers.into_iter().filter_map(|number| 1u64.checked_shl(number.into()));
        Capabilities { bits: bits.fold(0, |all, bit| all | bit) }
    }

    /// Whether the one of this number is among them.
    pub(super) fn has(self, number: u8) -> bool {
        self.bits >> number & 1 == 1
    }

    /// A bit for each, at the place of its number, as the kernel has them.
    pub fn bits(self) -> u64 {
        self.bits
    }
}

/// Their names joined by commas, as `capabilities` takes them.
impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = Self::NAMED.iter().filter(|(_, number)| self.has(*number));
        for (place, (name, _)) in kept.enumerate() {
            f.write_str(if place == 0 { "" } else { "," })?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

/// The capabilities of these names, in any case.
pub(super) fn read(words: &[Word<'_>]) -> Result<Capabilities, Fault> {
    let number = |word: &Word<'_>| {
        directives::find(Capabilities::NAMED, word.value).ok_or_else(|| {
            let nearest = directives::nearest(Capabilities::NAMED, word.value);
            let meant = nearest.map(|known| format!("did you mean `{known}`?"));
            let usual = || "for example cap_net_admin,cap_net_raw; capabilities(7) lists them".to_owned();
            word.wrong(format!("unknown capability `{}`", excerpt(word.value)))
                .hint(lookalike::hint(word.value).or(meant).unwrap_or_else(usual))
        })
    };
    Ok(Capabilities::of(words.iter().map(number).collect::<Result<Vec<u8>, Fault>>()?))
}
