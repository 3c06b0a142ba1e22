//! One-time port-knock sequences: reading, generating, keeping and striking them.
//!
//! A *pad* (sequence file) holds one sequence a line.  To *strike* a line is to overwrite its first byte with
//! `#`, in place, durably and under a lock, so that no reader takes it again.  Where both ends have the same *key*, they
//! derive their sequences from it instead.

#[cfg(test)]
mod chi_square;
pub mod contents;
pub mod derive;
pub mod generate;
pub mod pad;
mod plain_file;
pub mod sequence;
