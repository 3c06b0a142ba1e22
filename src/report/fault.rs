//! What is wrong with a configuration, while it is being read.

use std::ops::Range;

use super::Severity;

/// More faults of one severity than this are counted, but not kept.
const KEPT: usize = 1000;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) severity: Severity,
    /// The bytes of the text that are to blame.
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Fault {
    pub(crate) fn error(span: Range<usize>, message: impl Into<String>) -> Fault {
        Fault { severity: Severity::Error, span, message: message.into(), hint: None }
    }

    pub(crate) fn warning(span: Range<usize>, message: impl Into<String>) -> Fault {
        Fault { severity: Severity::Warning, ..Fault::error(span, message) }
    }

    /// The same as a warning.
    #[cfg(feature = "daemon")]
    pub(crate) fn warn(self) -> Fault {
        Fault { severity: Severity::Warning, ..self }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Fault {
        self.maybe_hint(Some(hint))
    }

    pub(crate) fn maybe_hint(mut self, hint: Option<impl Into<String>>) -> Fault {
        self.hint = hint.map(Into::into);
        self
    }
}

/// The faults found so far: a hostile file makes no more of them than fit.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) errors: Few,
    pub(crate) warnings: Few,
}

/// Faults of one severity.
#[derive(Debug, Default)]
pub(crate) struct Few {
    pub(crate) kept: Vec<Fault>,
    /// How many there were, with those that were not kept.
    pub(crate) count: usize,
}

impl Few {
    /// Whether nothing more is kept, so that finding a hint is of no use.
    pub(crate) fn is_full(&self) -> bool {
        self.kept.len() >= KEPT
    }
}

impl Faults {
    pub(crate) fn push(&mut self, fault: Fault) {
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
    #[cfg(any(test, feature = "daemon"))]
    pub(crate) fn append(&mut self, other: Faults) {
        for (few, others) in [(&mut self.errors, other.errors), (&mut self.warnings, other.warnings)] {
            few.count += others.count;
            let room = KEPT.saturating_sub(few.kept.len());
            few.kept.extend(others.kept.into_iter().take(room));
        }
    }

    #[cfg(feature = "daemon")]
    pub(crate) fn is_empty(&self) -> bool {
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
