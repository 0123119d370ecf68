//! The shell: the only room where time passes.

pub mod clock;
