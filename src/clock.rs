//! The clock of the live daemon.

use std::time::Instant;

use crate::moment::Moment;

/// Counts from its making, by a clock that never goes backwards whatever is done to the time of day.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// A clock that starts now.
    #[expect(clippy::new_without_default, reason = "a clock that starts now is no neutral value")]
    pub fn new() -> Clock {
        Clock(Instant::now())
    }

    /// The time since its making.
    pub fn now(&self) -> Moment {
        Moment::after_start(self.0.elapsed())
    }
}
