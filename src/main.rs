//! The program. Everything is in the library.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// Returns freed memory to the system: what a burst of work took is not kept.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    proofd::cli::main()
}
