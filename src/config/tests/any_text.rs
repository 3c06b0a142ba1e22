use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let (_, report) = parse("t.conf", &bytes);
        report.render(true);
    }

    #[test]
    fn never_panics_on_lines_nearly_right(
        lines in proptest::collection::vec(
            prop_oneof![
                "\\[[a-z é\u{1}]{0,4}\\]?",
                "(sequence|tcpflags|seq_timeout|command|target|one_time_window|interface|usesyslog) ?=? ?[0-9a-z,:!# é\t]{0,12}",
            ],
            0..12,
        ),
    ) {
        let (config, report) = parse("t.conf", lines.join("\n").as_bytes());
        prop_assert_eq!(config.is_none(), report.has_errors());
        prop_assert!(report.render(false).len() > report.problems().len());
    }
}
