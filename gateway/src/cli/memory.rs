//! What lies in the process's memory stays there.
//!
//! Keys and personal values are in clear in the memory of a gateway that serves. So it leaves no
//! core dump when it crashes, and no other process of the same user may read its memory or attach
//! to it; an operator who must look has to be root.

use rustix::process::{Resource, Rlimit, setrlimit};

use super::Failure;

/// Forbids core dumps and looks from outside.
pub(super) fn keep_private() -> Result<(), Failure> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none)
        .map_err(|error| Failure::of("cannot forbid core dumps", error))?;
    // The limit does not bind a kernel that pipes dumps to a program; this does.
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(|error| Failure::of("cannot keep memory private", error))?;
    Ok(())
}
