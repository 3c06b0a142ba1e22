//! A plan in messages: its head, what is to be seen, the doors with their networks, the armed sequences, its end.

use std::sync::Arc;

use ipnet::IpNet;
use seqgen::derive::Form;
use seqgen::generate::{Pool, PortRange, Protocols, Shape};

use super::frame::BadMessage;
use super::order::{Instruction, OrderMessage};
use crate::message::{BoundSlot, DoorRule, Generation, Order, Plan, Slot, Traffic};
use crate::networks::Networks;

/// The messages that carry this order, which is one of configuration `generation`; made one by one, since a plan can be
/// long.
pub fn messages(order: Order, generation: Generation) -> Box<dyn Iterator<Item = OrderMessage> + Send> {
    let one = |message| Box::new(std::iter::once(message));
    match order {
        Order::Adopt(plan) => plan_messages(plan),
        Order::Arm(slot) => one(OrderMessage::Arm(generation.0, (&slot).into())),
        Order::ArmBound(slot) => one(OrderMessage::ArmBound(generation.0, (&slot).into())),
        Order::Disarm(id) => one(OrderMessage::Disarm(generation.0, id.0)),
        Order::Watch(traffic) => {
            let head = OrderMessage::Traffic { udp: traffic.udp };
            Box::new(std::iter::once(head).chain(flags(traffic)).chain([OrderMessage::TrafficEnd]))
        }
        Order::Stop => Box::new(std::iter::empty()),
    }
}

fn plan_messages(plan: Plan) -> Box<dyn Iterator<Item = OrderMessage> + Send> {
    let head = OrderMessage::Plan {
        generation: plan.generation.0,
        max_sources: u64::try_from(plan.max_sources).unwrap_or(u64::MAX),
        udp: plan.traffic.udp,
    };
    let slots = plan.slots.into_iter().map(|slot: Slot| OrderMessage::Slot((&slot).into()));
    let bound = plan.bound.into_iter().map(|slot: BoundSlot| OrderMessage::BoundSlot((&slot).into()));
    Box::new(
        std::iter::once(head)
            .chain(flags(plan.traffic))
            .chain(plan.doors.into_iter().flat_map(|rule| door(&rule)))
            .chain(slots)
            .chain(plan.forms.into_iter().flat_map(|form| form_messages(&form)))
            .chain(bound)
            .chain([OrderMessage::PlanEnd]),
    )
}

fn form_messages(form: &Form) -> impl Iterator<Item = OrderMessage> + Send + use<> {
    let Shape { length, protocols, pool } = form.shape();
    let head = OrderMessage::Form {
        length: u8::try_from(*length).unwrap_or(u8::MAX),
        tcp: *protocols != Protocols::Udp,
        udp: *protocols != Protocols::Tcp,
    };
    let ports = |range: &PortRange| OrderMessage::Ports { first: range.first(), last: range.last() };
    let ranges: Vec<OrderMessage> = pool.ranges().map(|range| ports(&range)).collect();
    std::iter::once(head).chain(ranges)
}

fn flags(traffic: Traffic) -> impl Iterator<Item = OrderMessage> + Send {
    traffic.tcp.into_iter().map(|rule| OrderMessage::Flags(rule.into()))
}

fn door(rule: &DoorRule) -> impl Iterator<Item = OrderMessage> + Send + use<> {
    let networks: Vec<IpNet> =
        rule.allow.as_ref().map(|networks| networks.as_slice().to_vec()).unwrap_or_default();
    let head = OrderMessage::Door {
        flags: rule.flags.into(),
        target: rule.target,
        seq_timeout: rule.seq_timeout,
        choosy: rule.allow.is_some(),
    };
    let network =
        |network: IpNet| OrderMessage::Network { address: network.network(), prefix: network.prefix_len() };
    std::iter::once(head).chain(networks.into_iter().map(network))
}

/// A plan, or what is to be seen, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct PlanReader(Option<Part>);

#[derive(Debug)]
enum Part {
    Plan { plan: Plan, networks: Networked, form: Forming },
    Traffic(Traffic),
}

/// The networks of the last door, if it is to have any.
#[derive(Debug, Default)]
struct Networked(Option<Vec<IpNet>>);

/// The last form, as far as it has come.
#[derive(Debug, Default)]
struct Forming(Option<(usize, Protocols, Vec<PortRange>)>);

impl PlanReader {
    /// Takes one message of a plan, or of what is to be seen.
    pub(super) fn take(&mut self, message: OrderMessage) -> Result<Option<Instruction>, BadMessage> {
        use OrderMessage as Message;
        match (message, &mut self.0) {
            (Message::Plan { generation, max_sources, udp }, part) => {
                let traffic = Traffic { tcp: Vec::new(), udp };
                let max_sources = usize::try_from(max_sources).map_err(|_| BadMessage)?;
                let generation = Generation(generation);
                let plan = Plan { generation, traffic, max_sources, ..Plan::default() };
                *part = Some(Part::Plan { plan, networks: Networked::default(), form: Forming::default() });
            }
            (Message::Traffic { udp }, part) => {
                *part = Some(Part::Traffic(Traffic { tcp: Vec::new(), udp }));
            }
            (
                Message::Flags(flags),
                Some(Part::Traffic(traffic) | Part::Plan { plan: Plan { traffic, .. }, .. }),
            ) => {
                traffic.tcp.push(flags.try_into()?);
            }
            (Message::TrafficEnd, part) => {
                let Some(Part::Traffic(traffic)) = part.take() else { return Err(BadMessage) };
                return Ok(Some(Instruction::Watch(traffic)));
            }
            (
                Message::Door { flags, target, seq_timeout, choosy },
                Some(Part::Plan { plan, networks, .. }),
            ) => {
                networks.settle(plan)?;
                let flags = flags.try_into()?;
                plan.doors.push(DoorRule { flags, target, allow: None, seq_timeout });
                networks.0 = choosy.then(Vec::new);
            }
            (Message::Network { address, prefix }, Some(Part::Plan { networks, .. })) => {
                let network = IpNet::new(address, prefix).map_err(|_| BadMessage)?;
                networks.0.as_mut().ok_or(BadMessage)?.push(network);
            }
            (Message::Slot(slot), Some(Part::Plan { plan, .. })) => plan.slots.push(slot.try_into()?),
            (Message::Form { length, tcp, udp }, Some(Part::Plan { plan, form, .. })) => {
                form.settle(plan)?;
                let protocols = match (tcp, udp) {
                    (true, false) => Protocols::Tcp,
                    (false, true) => Protocols::Udp,
                    (true, true) => Protocols::Mixed,
                    (false, false) => return Err(BadMessage),
                };
                form.0 = Some((length.into(), protocols, Vec::new()));
            }
            (Message::Ports { first, last }, Some(Part::Plan { form, .. })) => {
                let range = PortRange::new(first, last).map_err(|_| BadMessage)?;
                form.0.as_mut().ok_or(BadMessage)?.2.push(range);
            }
            (Message::BoundSlot(slot), Some(Part::Plan { plan, form, .. })) => {
                form.settle(plan)?;
                plan.bound.push(slot.try_into()?);
            }
            (Message::PlanEnd, part) => {
                let Some(Part::Plan { mut plan, mut networks, mut form }) = part.take() else {
                    return Err(BadMessage);
                };
                networks.settle(&mut plan)?;
                form.settle(&mut plan)?;
                return Ok(Some(Instruction::Adopt(plan)));
            }
            _ => return Err(BadMessage),
        }
        Ok(None)
    }
}

impl Forming {
    /// Adds the last form to the plan.
    fn settle(&mut self, plan: &mut Plan) -> Result<(), BadMessage> {
        if let Some((length, protocols, ranges)) = self.0.take() {
            let shape = Shape { length, protocols, pool: Pool::new(&ranges, &[]) };
            plan.forms.push(Arc::new(Form::new(shape).map_err(|_| BadMessage)?));
        }
        Ok(())
    }
}

impl Networked {
    /// Gives the last door its networks; one that is to have some and has none would be open to everybody.
    fn settle(&mut self, plan: &mut Plan) -> Result<(), BadMessage> {
        if let Some(networks) = self.0.take() {
            let door = plan.doors.last_mut().ok_or(BadMessage)?;
            door.allow = Some(Networks::of(&networks).ok_or(BadMessage)?);
        }
        Ok(())
    }
}
