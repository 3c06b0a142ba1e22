//! Many measurements in a few numbers.

use std::time::Duration;

/// The values in order, and how they lie.
pub(crate) struct Sorted(Vec<f64>);

impl Sorted {
    pub(crate) fn new(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// Durations in milliseconds.
    pub(crate) fn milliseconds<'d>(durations: impl IntoIterator<Item = &'d Duration>) -> Self {
        Self::new(durations.into_iter().map(|duration| duration.as_secs_f64() * 1e3))
    }

    pub(crate) fn values(&self) -> &[f64] {
        &self.0
    }

    /// The value that so many of a hundred do not exceed; nothing if there are none.
    pub(crate) fn at(&self, percent: usize) -> Option<f64> {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied()
    }

    pub(crate) fn median(&self) -> Option<f64> {
        self.at(50)
    }

    /// "median (least to most)", the only value, or a dash.
    pub(crate) fn spread(&self, decimals: usize) -> String {
        match (self.median(), self.0.as_slice()) {
            (Some(median), [least, .., most]) => {
                format!("{median:.decimals$} ({least:.decimals$} to {most:.decimals$})")
            }
            (Some(only), _) => format!("{only:.decimals$}"),
            (None, _) => "–".to_owned(),
        }
    }
}
