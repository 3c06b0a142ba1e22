//! The addresses of a host that are knocked at.

use super::Error;
use super::console::Console;
use super::plan::Plan;
use super::resolve::{self, Address, Family};
use super::route::{self, NoWay};

/// Where to knock: the first address of the wanted family that can be reached from here, or, for both families, the
/// first of each.
///
/// Of both, one is enough; why the other is left out is said.
pub(super) fn find(plan: &Plan, console: &mut Console) -> Result<Vec<Address>, Error> {
    let all = resolve::resolve(&plan.host, plan.family)?;
    if plan.family != Family::Both {
        return Ok(vec![choose(plan, &all, console)?]);
    }
    let (mut ways, mut left_out) = (Vec::new(), Vec::new());
    for family in [Family::V4, Family::V6] {
        let fitting: Vec<_> = all.iter().copied().filter(|&address| family.takes(address)).collect();
        if fitting.is_empty() {
            left_out.push(format!("{} has no {family} address: not knocking over {family}", plan.host));
            continue;
        }
        match choose(plan, &fitting, console) {
            Ok(address) => ways.push(address),
            Err(no_way) => left_out.push(format!("not knocking over {family}: {no_way}")),
        }
    }
    if ways.is_empty() {
        // The error has the reason for each address.
        return Ok(vec![choose(plan, &all, console)?]);
    }
    for why in left_out {
        console.note(why);
    }
    Ok(ways)
}

fn choose(plan: &Plan, addresses: &[Address], console: &mut Console) -> Result<Address, NoWay> {
    let choice = route::choose(&plan.host, addresses, &plan.outlet)?;
    if plan.verbose && (addresses.len() > 1 || !resolve::is_numeric(&plan.host)) {
        for (address, reason) in &choice.passed_over {
            console.note(format_args!("{}: passing over {address}: {reason}", plan.host));
        }
        console.note(format_args!("{}: chose {}", plan.host, choice.address));
    }
    Ok(choice.address)
}
