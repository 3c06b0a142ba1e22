//! What is wrong with a configuration, while it is being read.

use std::ops::Range;

use super::report::Severity;

/// More faults of one severity than this are counted, but not kept.
const KEPT: usize = 1000;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) severity: Severity,
    /// The bytes of the text that are to blame.
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Fault {
    pub(super) fn error(span: Range<usize>, message: impl Into<String>) -> Fault {
        Fault { severity: Severity::Error, span, message: message.into(), hint: None }
    }

    pub(super) fn warning(span: Range<usize>, message: impl Into<String>) -> Fault {
        Fault { severity: Severity::Warning, ..Fault::error(span, message) }
    }

    /// The same as a warning.
    pub(super) fn warn(self) -> Fault {
        Fault { severity: Severity::Warning, ..self }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Fault {
        self.maybe_hint(Some(hint))
    }

    pub(super) fn maybe_hint(mut self, hint: Option<impl Into<String>>) -> Fault {
        self.hint = hint.map(Into::into);
        self
    }
}

/// The faults found so far: a hostile file makes no more of them than fit.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) errors: Few,
    pub(super) warnings: Few,
}

/// Faults of one severity.
#[derive(Debug, Default)]
pub(super) struct Few {
    pub(super) kept: Vec<Fault>,
    /// How many there were, with those that were not kept.
    pub(super) count: usize,
}

impl Few {
    /// Whether nothing more is kept, so that finding a hint is of no use.
    pub(super) fn is_full(&self) -> bool {
        self.kept.len() >= KEPT
    }
}

impl Faults {
    pub(super) fn push(&mut self, fault: Fault) {
        let few = match fault.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        few.count += 1;
        if !few.is_full() {
            few.kept.push(fault);
        }
    }

    /// Takes over the errors and warnings of another.
    pub(super) fn append(&mut self, other: Faults) {
        for (few, others) in [(&mut self.errors, other.errors), (&mut self.warnings, other.warnings)] {
            few.count += others.count;
            let room = KEPT.saturating_sub(few.kept.len());
            few.kept.extend(others.kept.into_iter().take(room));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.errors.count + self.warnings.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_kept_than_fit_but_all_are_counted() {
        let mut faults = Faults::default();
        for _ in 0..KEPT + 7 {
            faults.push(Fault::error(0..0, "x"));
        }
        assert_eq!((faults.errors.kept.len(), faults.errors.count), (KEPT, KEPT + 7));
        assert!(faults.errors.is_full() && !faults.warnings.is_full());
        let mut more = Faults::default();
        more.push(Fault::error(0..0, "before"));
        more.append(faults);
        assert_eq!((more.errors.kept.len(), more.errors.count), (KEPT, KEPT + 8));
        assert_eq!(more.errors.kept[0].message, "before");
    }
}
