//! Names for addresses in the log, looked up in a thread of its own.
//!
//! Nothing waits for an answer: until it has come, the log shows the bare address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, thread};

use log::info;

/// How many addresses may wait for a name server; others go without a name.
const QUEUE: usize = 64;

/// How many names are remembered; after that many, all are forgotten.
const REMEMBERED: usize = 1024;

type Cache = Arc<Mutex<HashMap<IpAddr, Option<String>>>>;

/// Asks for names and remembers them.
pub(super) struct Names {
    questions: SyncSender<IpAddr>,
    cache: Cache,
}

impl Names {
    /// Starts the thread that asks.
    pub(super) fn start() -> io::Result<Names> {
        let (questions, asked) = sync_channel(QUEUE);
        let cache = Cache::default();
        let answers = Arc::clone(&cache);
        thread::Builder::new().name("names".to_owned()).spawn(move || answer(&asked, &answers))?;
        Ok(Names { questions, cache })
    }

    /// The address as the log shows it: with its name if that is known, and otherwise the name is asked for.
    pub(super) fn describe(&self, address: IpAddr) -> String {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        match cache.get(&address) {
            Some(Some(name)) => format!("{address} ({name})"),
            Some(None) => address.to_string(),
            None => {
                let _ = self.questions.try_send(address);
                address.to_string()
            }
        }
    }
}

fn answer(asked: &Receiver<IpAddr>, answers: &Cache) {
    for address in asked {
        if answers.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&address) {
            continue;
        }
        // A name server answers with the address itself where there is no name.
        let name = dns_lookup::lookup_addr(&address).ok().filter(|name| *name != address.to_string());
        if let Some(name) = &name {
            info!("{address} is {name}");
        }
        let mut cache = answers.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() == REMEMBERED {
            cache.clear();
        }
        cache.insert(address, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_bare_until_its_name_is_known() {
        let (questions, asked) = sync_channel(1);
        let names = Names { questions, cache: Cache::default() };
        let [alice, bob] = ["192.0.2.2", "192.0.2.3"].map(|address| address.parse().unwrap());
        assert_eq!(names.describe(alice), "192.0.2.2");
        assert_eq!(names.describe(bob), "192.0.2.3", "a full queue holds nobody up");
        assert_eq!(asked.try_iter().collect::<Vec<_>>(), [alice]);
        names.cache.lock().unwrap().insert(alice, Some("alice.example".to_owned()));
        names.cache.lock().unwrap().insert(bob, None);
        assert_eq!(names.describe(alice), "192.0.2.2 (alice.example)");
        assert_eq!(names.describe(bob), "192.0.2.3");
        assert_eq!(asked.try_iter().count(), 0, "a known answer is not asked for again");
    }
}
