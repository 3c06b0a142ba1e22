//! Drawing sequences, none like another.

use std::collections::VecDeque;
use std::num::NonZeroU16;

use rand::TryRng;
use rand::rngs::SysRng;

use super::draw::{BrokenRandomness, Draw};
use super::shape::{LENGTHS, Shape, is_monotonic};
use crate::contents::Contents;
use crate::sequence::{Sequence, Step};

/// Of this many lines in a row, no two begin with the same hit, so that a daemon which waits for several of them
/// at once can tell from the first hit which one is meant.
pub const NEIGHBOURHOOD: usize = 32;

/// How many draws may be made for one line.  It takes some hundreds on average at the very worst, where the last
/// of 32 first hits has to be found and most of what begins with it is used; this many never come by accident.
const MAX_DRAWS: u32 = 1 << 20;

/// Makes the lines of one pad: uniformly drawn among the sequences of a shape, except that no line occurs twice
/// and that lines which are close to each other begin with different hits.
#[derive(Debug)]
pub struct Generator<R = SysRng> {
    shape: Shape,
    draw: Draw<R>,
    /// The lines so far.  Two that are taken for the same cost a line that might have been, and nothing else.
    used: Contents,
    /// How many of the lines so far are of this shape.
    fitting: u64,
    /// What the last lines so far begin with.
    recent: VecDeque<Step>,
    draws_left: u32,
}

impl Generator {
    /// Makes sequences of `shape` from the operating system's randomness.
    pub fn new(shape: Shape) -> Generator {
        Generator::from_source(shape, SysRng)
    }
}

impl<R> Generator<R>
where
    R: TryRng<Error: Send + Sync + 'static>,
{
    fn from_source(shape: Shape, source: R) -> Generator<R> {
        Generator {
            shape,
            draw: Draw::new(source),
            used: Contents::default(),
            fitting: 0,
            recent: VecDeque::with_capacity(NEIGHBOURHOOD),
            draws_left: 0,
        }
    }

    /// Never makes `sequence`, which the pad has held already.
    pub fn avoid(&mut self, sequence: &Sequence) {
        if self.used.insert(sequence) && self.shape.fits(sequence) {
            self.fitting += 1;
        }
    }

    /// Takes `first` for the beginning of the line before the next one.
    pub fn follow(&mut self, first: Step) {
        if self.recent.len() == NEIGHBOURHOOD - 1 {
            self.recent.pop_front();
        }
        self.recent.push_back(first);
    }

    /// The next `count` lines, or why there cannot be that many.
    pub fn lines(&mut self, count: u64) -> Result<Lines<'_, R>, Impossible> {
        let (length, ports) = (self.shape.length, self.shape.pool.ports().len());
        if !LENGTHS.contains(&length) {
            return Err(Impossible::Length { length });
        }
        if ports < length {
            return Err(Impossible::Ports { ports, length });
        }
        let (first_hits, needed) = (self.shape.first_hits(), self.first_hits_needed(count));
        if first_hits < needed {
            return Err(Impossible::FirstHits { first_hits, needed });
        }
        let (possible, used) = (self.shape.possible(), self.fitting);
        if possible / 2 < u128::from(count) + u128::from(used) {
            let most = (possible / 2).saturating_sub(u128::from(used));
            return Err(Impossible::Sequences { count, possible, used, most });
        }
        Ok(Lines { generator: self, left: count })
    }

    /// How many first hits there must be for `count` more lines: one for each line of the busiest neighbourhood.
    fn first_hits_needed(&self, count: u64) -> usize {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        (1..=count.min(NEIGHBOURHOOD))
            .map(|new| {
                let old = self.recent.iter().rev().take(NEIGHBOURHOOD - new);
                let mut taken: Vec<_> = old.filter(|step| self.shape.allows(**step)).collect();
                taken.sort_unstable();
                taken.dedup();
                taken.len() + new
            })
            .max()
            .unwrap_or(0)
    }

    fn next_line(&mut self) -> Result<Sequence, GenerateError> {
        self.draws_left = MAX_DRAWS;
        loop {
            let Some(sequence) = self.candidate()? else { continue };
            if self.used.insert(&sequence) {
                self.fitting += 1;
                self.follow(sequence.first());
                return Ok(sequence);
            }
        }
    }

    /// A sequence drawn without looking at the other lines, or `None` where it turned out unfit.
    fn candidate(&mut self) -> Result<Option<Sequence>, GenerateError> {
        let mut steps: Vec<Step> = Vec::with_capacity(self.shape.length);
        while steps.len() < self.shape.length {
            let step = self.step()?;
            // Drawing a used port again makes every arrangement equally likely, as long as this alone is drawn
            // again; a first hit that a neighbour has, or an order that scans have, makes the whole line unfit.
            if steps.iter().any(|earlier| earlier.port == step.port) {
                continue;
            }
            if steps.is_empty() && self.recent.contains(&step) {
                return Ok(None);
            }
            steps.push(step);
        }
        Ok(if is_monotonic(&steps) { None } else { Sequence::new(steps) })
    }

    fn step(&mut self) -> Result<Step, GenerateError> {
        let port = self.index(self.shape.pool.ports().len())?;
        let choices = self.shape.protocols.choices();
        let protocol = if choices.len() > 1 { self.index(choices.len())? } else { 0 };
        Ok(Step { port: self.shape.pool.ports()[port], protocol: choices[protocol] })
    }

    /// One of `length` things.
    fn index(&mut self, length: usize) -> Result<usize, GenerateError> {
        let bound = u16::try_from(length).ok().and_then(NonZeroU16::new).ok_or(GenerateError::Exhausted)?;
        loop {
            self.draws_left = self.draws_left.checked_sub(1).ok_or(GenerateError::Exhausted)?;
            if let Some(index) = self.draw.below(bound)? {
                return Ok(usize::from(index));
            }
        }
    }
}

/// The lines that were asked for; ends after the first error.
#[derive(Debug)]
pub struct Lines<'a, R = SysRng> {
    generator: &'a mut Generator<R>,
    left: u64,
}

impl<R> Iterator for Lines<'_, R>
where
    R: TryRng<Error: Send + Sync + 'static>,
{
    type Item = Result<Sequence, GenerateError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let line = self.generator.next_line();
        if line.is_err() {
            self.left = 0;
        }
        Some(line)
    }
}

/// Why so many lines of such a shape cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// A sequence of this length is not made.
    #[error("a sequence has {} to {} ports, not {length}", LENGTHS.start(), LENGTHS.end())]
    Length {
        /// What was asked for.
        length: usize,
    },
    /// Too few ports for one sequence.
    #[error(
        "{length} different ports are needed for one line, but only {ports} are allowed; allow more ports"
    )]
    Ports {
        /// How many are allowed.
        ports: usize,
        /// How many one line takes.
        length: usize,
    },
    /// Too few hits for close lines to begin differently.
    #[error(
        "no two of any {NEIGHBOURHOOD} lines in a row may begin with the same hit, so {needed} are needed, but only \
         {first_hits} are possible; allow more ports or ask for fewer lines"
    )]
    FirstHits {
        /// How many a line can begin with.
        first_hits: usize,
        /// How many it takes.
        needed: usize,
    },
    /// Too few sequences for this many lines to be hard to guess.
    #[error(
        "{count} lines are too many: of the {possible} possible ones, {used} are in the pad already and at most half \
         are used, so {most} more can be made; allow more ports or longer lines"
    )]
    Sequences {
        /// How many lines were asked for.
        count: u64,
        /// How many sequences there are.
        possible: u128,
        /// How many of them the pad holds or held.
        used: u64,
        /// How many lines can be made.
        most: u128,
    },
}

/// Why a line could not be made.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// There was nothing to draw from.
    #[error(transparent)]
    Randomness(#[from] BrokenRandomness),
    /// Nearly all that the neighbouring lines leave possible is used.
    #[error(
        "no further line was found that is new and begins differently from its neighbours; allow more ports or \
         longer lines"
    )]
    Exhausted,
}

#[cfg(test)]
#[path = "generator_tests.rs"]
mod tests;
