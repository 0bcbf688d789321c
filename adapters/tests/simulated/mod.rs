//! The sandbox's faults by the names that the conformance suite gives to a ministry's troubles.

use desmigratif_core::ports::ministry::conformance::Trouble;
use desmigratif_sandbox::Fault;

/// The fault that makes a simulated ministry have a trouble.
pub(crate) const fn simulated(trouble: Trouble) -> Fault {
    match trouble {
        Trouble::Latency(duration) => Fault::Latency(duration),
        Trouble::Drip => Fault::Drip,
        Trouble::Http500 => Fault::Http500,
        Trouble::Http429(retry_after) => Fault::Http429 { retry_after },
        Trouble::Html => Fault::Html,
        Trouble::Garbage => Fault::Garbage,
        Trouble::Reset => Fault::Reset,
        Trouble::Refused => Fault::TokenExpired,
        Trouble::Quota => Fault::Quota,
        Trouble::Down => Fault::Down,
        Trouble::Endless => Fault::Endless,
        Trouble::LostAnswer => Fault::LostAnswer,
    }
}
