//! What the executor tells the capture process.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use seqgen::derive::CounterKey;
use seqgen::sequence::{Protocol, Sequence, Step};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::frame::BadMessage;
use super::plan::PlanReader;
use crate::flags::{FlagRule, TcpFlags};
use crate::message::{BoundSlot, Generation, Plan, Slot, SlotId, Traffic};
use crate::track::Limit;

/// One message to the capture process.  What is longer than a message is several, of which the last one counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderMessage {
    /// Capture from this interface too, one of `among` so many; only before [`OrderMessage::Confine`].
    Listen {
        /// Its number in what is said of it.
        number: u32,
        /// Its name.
        name: String,
        /// How many share the memory for packets.
        among: u32,
    },
    /// See no IPv6; only before [`OrderMessage::Confine`].
    Ipv4Only,
    /// Give up what is not needed any more: become this user and group, with a sandbox of this strength
    /// (`crate::config::Sandbox`).
    Confine {
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
        /// The strength.
        strength: Strength,
    },
    /// A plan begins.
    Plan {
        /// The configuration that it comes from.
        generation: u32,
        /// How many attempts are followed at most.
        max_sources: u64,
        /// Whether UDP packets are to be seen.
        udp: bool,
    },
    /// TCP packets that are to be seen: those with these flags set and those clear.
    Flags(WireFlags),
    /// The plan's next door.
    Door {
        /// Which TCP packets count.
        flags: WireFlags,
        /// The destination that counts in place of the host's own.
        target: Option<IpAddr>,
        /// How long a sequence may take.
        seq_timeout: Duration,
        /// Whether it only sees what comes from the networks that follow.
        choosy: bool,
    },
    /// A network that the last door listens to.
    Network {
        /// Its first address.
        address: IpAddr,
        /// How many bits of it count.
        prefix: u8,
    },
    /// An armed sequence of the plan.
    Slot(WireSlot),
    /// The plan's next form: how many ports a sequence has that follows from a key, and over what they are hit.
    Form {
        /// How many ports.
        length: u8,
        /// Whether over TCP.
        tcp: bool,
        /// Whether over UDP.
        udp: bool,
    },
    /// Ports that sequences of the last form may have.
    Ports {
        /// The first of them.
        first: NonZeroU16,
        /// The last.
        last: NonZeroU16,
    },
    /// An armed sequence of the plan that is another one for each source.
    BoundSlot(WireBound),
    /// The plan is whole, and counts from now on.
    PlanEnd,
    /// Arm one more sequence of this configuration.
    Arm(u32, WireSlot),
    /// Arm one more sequence of this configuration that is another one for each source.
    ArmBound(u32, WireBound),
    /// Match this slot no more.
    Disarm(u32, u64),
    /// The traffic to see begins: whether UDP is part of it.
    Traffic {
        /// Whether UDP packets are to be seen.
        udp: bool,
    },
    /// It is whole, and counts from now on.
    TrafficEnd,
    /// The host's addresses begin.
    Here,
    /// One of them.
    Address(IpAddr),
    /// They are whole, and count from now on.
    HereEnd,
    /// Say so when everything up to here is done.
    Sync(u32),
    /// Judge packets that came after this time, in microseconds since 1970.
    Go {
        /// The time; 0 for all packets.
        after: u64,
    },
    /// Judge those that came until this time, and end.
    Stop {
        /// The time, in microseconds since 1970.
        until: u64,
    },
    /// Look whether every interface is still there.
    Look,
    /// Let go of this interface.
    Close {
        /// Its number.
        number: u32,
    },
    /// Say how much was seen, in a [`super::Sight::Counted`] with this number.
    Count(u32),
}

/// How strong the sandbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Strength {
    /// The kernel ends the process for a forbidden system call.
    Strict,
    /// It only writes it down.
    Log,
    /// There is none.
    Off,
}

/// Flags that must be set, and flags that must be clear, as in byte 13 of a TCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireFlags {
    set: u8,
    clear: u8,
}

impl From<FlagRule> for WireFlags {
    fn from(rule: FlagRule) -> WireFlags {
        WireFlags { set: rule.set().bits(), clear: rule.clear().bits() }
    }
}

impl TryFrom<WireFlags> for FlagRule {
    type Error = BadMessage;

    fn try_from(WireFlags { set, clear }: WireFlags) -> Result<FlagRule, BadMessage> {
        let rule = FlagRule::new(TcpFlags::from_bits(set), TcpFlags::from_bits(clear)).ok_or(BadMessage)?;
        (WireFlags::from(rule) == WireFlags { set, clear }).then_some(rule).ok_or(BadMessage)
    }
}

/// An armed sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireSlot {
    id: u64,
    door: u32,
    once: bool,
    /// How many strays, and whether those from before count.
    limit: Option<(u16, bool)>,
    ports: Vec<u16>,
    /// Bit `n` is set where the port `n` is one of UDP.
    udp: u32,
}

impl From<&Slot> for WireSlot {
    fn from(slot: &Slot) -> WireSlot {
        let steps = slot.sequence.steps();
        let udp = (0..).zip(steps).filter(|(_, step)| step.protocol == Protocol::Udp);
        WireSlot {
            id: slot.id.0,
            door: u32::try_from(slot.door).unwrap_or(u32::MAX),
            once: slot.once,
            limit: slot.limit.map(|limit| (limit.strays, limit.from_before)),
            ports: steps.iter().map(|step| step.port.get()).collect(),
            udp: udp.fold(0, |bits, (at, _): (u32, _)| bits | 1 << at),
        }
    }
}

impl TryFrom<WireSlot> for Slot {
    type Error = BadMessage;

    fn try_from(slot: WireSlot) -> Result<Slot, BadMessage> {
        if slot.ports.len() > 32 || (slot.ports.len() < 32 && slot.udp >> slot.ports.len() != 0) {
            return Err(BadMessage);
        }
        let step = |(at, port): (u32, &u16)| {
            let protocol = if slot.udp >> at & 1 == 1 { Protocol::Udp } else { Protocol::Tcp };
            Some(Step { port: NonZeroU16::new(*port)?, protocol })
        };
        let steps: Option<Vec<Step>> = (0..).zip(&slot.ports).map(step).collect();
        Ok(Slot {
            id: SlotId(slot.id),
            door: usize::try_from(slot.door).map_err(|_| BadMessage)?,
            sequence: steps.and_then(Sequence::new).ok_or(BadMessage)?,
            once: slot.once,
            limit: slot.limit.map(|(strays, from_before)| Limit { strays, from_before }),
        })
    }
}

/// An armed sequence that is another one for each source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireBound {
    id: u64,
    door: u32,
    form: u32,
    /// How many strays, and whether those from before count.
    limit: Option<(u16, bool)>,
    key: WireKey,
}

/// The bytes of a key: on the heap, and overwritten in the end, so that they are not left behind.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct WireKey(Zeroizing<Vec<u8>>);

impl fmt::Debug for WireKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl From<&BoundSlot> for WireBound {
    fn from(slot: &BoundSlot) -> WireBound {
        let narrow = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        WireBound {
            id: slot.id.0,
            door: narrow(slot.door),
            form: narrow(slot.form),
            limit: slot.limit.map(|limit| (limit.strays, limit.from_before)),
            key: WireKey(Zeroizing::new(slot.key.as_bytes().to_vec())),
        }
    }
}

impl TryFrom<WireBound> for BoundSlot {
    type Error = BadMessage;

    fn try_from(slot: WireBound) -> Result<BoundSlot, BadMessage> {
        let wide = |index| usize::try_from(index).map_err(|_| BadMessage);
        Ok(BoundSlot {
            id: SlotId(slot.id),
            door: wide(slot.door)?,
            key: CounterKey::from_bytes(slot.key.0.as_slice().try_into().map_err(|_| BadMessage)?),
            form: wide(slot.form)?,
            limit: slot.limit.map(|(strays, from_before)| Limit { strays, from_before }),
        })
    }
}

/// What one or several messages together tell the capture process.
#[derive(Debug, PartialEq, Eq)]
pub enum Instruction {
    /// See [`OrderMessage::Listen`].
    Listen {
        /// The interface's number.
        number: u32,
        /// Its name.
        name: String,
        /// How many share the memory.
        among: u32,
    },
    /// See [`OrderMessage::Ipv4Only`].
    Ipv4Only,
    /// See [`OrderMessage::Confine`].
    Confine {
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
        /// The strength.
        strength: Strength,
    },
    /// What to match.
    Adopt(Plan),
    /// One more sequence.
    Arm(Slot),
    /// One more sequence that is another one for each source.
    ArmBound(BoundSlot),
    /// One sequence less.
    Disarm(SlotId),
    /// What to see.
    Watch(Traffic),
    /// The host's addresses.
    Here(Vec<IpAddr>),
    /// See [`OrderMessage::Sync`].
    Sync(u32),
    /// See [`OrderMessage::Go`].
    Go {
        /// In microseconds since 1970.
        after: u64,
    },
    /// See [`OrderMessage::Stop`].
    Stop {
        /// In microseconds since 1970.
        until: u64,
    },
    /// See [`OrderMessage::Look`].
    Look,
    /// See [`OrderMessage::Close`].
    Close {
        /// The interface's number.
        number: u32,
    },
    /// See [`OrderMessage::Count`].
    Count(u32),
}

/// Puts messages together.
#[derive(Debug, Default)]
pub struct Reader {
    plan: PlanReader,
    generation: Generation,
    addresses: Option<Vec<IpAddr>>,
}

impl Reader {
    /// Takes one message; what it tells, if it is the last one of those that belong together.
    ///
    /// # Errors
    /// When it makes no sense after those before it.
    pub fn take(&mut self, message: OrderMessage) -> Result<Option<Instruction>, BadMessage> {
        use OrderMessage as Message;
        Ok(Some(match message {
            Message::Listen { number, name, among } => Instruction::Listen { number, name, among },
            Message::Ipv4Only => Instruction::Ipv4Only,
            Message::Confine { uid, gid, strength } => Instruction::Confine { uid, gid, strength },
            Message::Arm(generation, slot) if generation == self.generation.0 => {
                Instruction::Arm(slot.try_into()?)
            }
            Message::ArmBound(generation, slot) if generation == self.generation.0 => {
                Instruction::ArmBound(slot.try_into()?)
            }
            Message::Disarm(generation, id) if generation == self.generation.0 => {
                Instruction::Disarm(SlotId(id))
            }
            Message::Arm(..) | Message::ArmBound(..) | Message::Disarm(..) => return Err(BadMessage),
            Message::Here => {
                self.addresses = Some(Vec::new());
                return Ok(None);
            }
            Message::Address(address) => {
                self.addresses.as_mut().ok_or(BadMessage)?.push(address);
                return Ok(None);
            }
            Message::HereEnd => Instruction::Here(self.addresses.take().ok_or(BadMessage)?),
            Message::Sync(number) => Instruction::Sync(number),
            Message::Go { after } => Instruction::Go { after },
            Message::Stop { until } => Instruction::Stop { until },
            Message::Look => Instruction::Look,
            Message::Close { number } => Instruction::Close { number },
            Message::Count(number) => Instruction::Count(number),
            part => {
                let whole = self.plan.take(part)?;
                if let Some(Instruction::Adopt(plan)) = &whole {
                    self.generation = plan.generation;
                }
                return Ok(whole);
            }
        }))
    }
}
