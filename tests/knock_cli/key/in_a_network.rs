//! Keys where the client has more than one address, or none.

use super::*;
use crate::lab::{cable, hosts, in_lab, sh};

#[test]
fn each_family_takes_a_number_of_its_own() {
    in_lab("each_family_takes_a_number_of_its_own", || {
        cable("lan", "192.0.2.1/24");
        cable("six", "2001:db8::1/64");
        hosts("192.0.2.1 both.example\n2001:db8::1 both.example\n");
        let person = Person::new().begun();
        let at = |host, number| hits(host, Mode::Counter, number, &usual(), "", Some(host));
        let out = person.knock("-v -d 0 --both both.example").out;
        assert_eq!(out, at("192.0.2.1", 1) + &at("2001:db8::1", 2));
        let out = person.knock("-v -d 0 --both --resync both.example").out;
        assert_eq!(
            out,
            (3..5)
                .map(|n| at("192.0.2.1", n))
                .chain((5..7).map(|n| at("2001:db8::1", n)))
                .collect::<String>()
        );
        assert_eq!(person.next(), Some(7));
        let before = step_now(1);
        let out = person.knock("-v -d 0 --both --step 1 both.example").out;
        let timed = |host, number| {
            hits(host, Mode::Time { step: 1.try_into().unwrap() }, number, &usual(), "", Some(host))
        };
        let numbers = before..=step_now(1);
        let apart = numbers.clone().flat_map(|a| numbers.clone().map(move |b| (a, b))).filter(|(a, b)| a < b);
        let fits = |(a, b)| out == timed("192.0.2.1", a) + &timed("2001:db8::1", b);
        assert!(apart.into_iter().any(fits), "{out}");
    });
}

#[test]
fn no_way_there_uses_no_number() {
    in_lab("no_way_there_uses_no_number", || {
        let person = Person::new();
        for host in ["192.0.2.1", "2001:db8::1"] {
            person.knock(&format!("-v {host}")).refused(1, "there is no way to it from here");
        }
        assert!(!person.state().exists());
    });
}

#[test]
fn whoever_may_be_behind_nat_is_told_what_to_do() {
    in_lab("whoever_may_be_behind_nat_is_told_what_to_do", || {
        cable("lan", "10.0.0.5/24");
        sh("ip route add 192.0.2.0/24 dev lan0; ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev lan0
            ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev lan0");
        let person = Person::new().begun();
        let hint = "knock: the sequence was for 10.0.0.5, a private address: if the server sees another one, as behind \
                    NAT, give that with --as ADDRESS\n";
        let said = |line: &str| person.knock(&format!("-d 0 {line}")).err;
        assert_eq!(said("192.0.2.9"), hint);
        assert!(said("-w 22/1 10.0.0.9").ends_with(hint));
        for silent in ["-q 192.0.2.9", "--as 192.0.2.7 192.0.2.9", "--unbound 192.0.2.9", "10.0.0.9"] {
            assert_eq!(said(silent), "", "{silent}");
        }
        for silent in ["-q -w 22/1 10.0.0.9", "--as 192.0.2.7 -w 22/1 192.0.2.9"] {
            assert!(!said(silent).contains("--as ADDRESS"), "{silent}");
        }
    });
}

#[test]
fn a_full_disk_makes_no_counter_and_stops_none() {
    in_lab("a_full_disk_makes_no_counter_and_stops_none", || {
        let person = Person::new();
        let state = person.state();
        fs::create_dir(&state).unwrap();
        let shown = state.display();
        sh(&format!(
            "mount -t tmpfs -o size=64k tmpfs {shown}; cat /dev/zero >{shown}/filler 2>/dev/null || true"
        ));
        person.knock("-v 127.0.0.1").refused(1, "No space left on device");
        assert_eq!(person.next(), None);
        sh(&format!("rm {shown}/filler"));
        let person = person.begun();
        sh(&format!("cat /dev/zero >{shown}/filler 2>/dev/null || true"));
        assert_eq!(person.knock("-v --unbound 127.0.0.1").quietly(), counted(1, None));
        assert_eq!(person.next(), Some(2));
    });
}
