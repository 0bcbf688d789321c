//! Adapters: how the exchange speaks with each ministry in that ministry's own way.
//!
//! One module per ministry; ministry modules never import each other, and their wire structures
//! are private. What they share is [`upstream`], the kit for calls to a ministry, and [`config`],
//! what an operator writes of them. [`connect`] is the one way in.

pub mod config;
pub mod connector;
pub mod kemendagri;
pub mod kemendes;
pub mod kemenkes;
pub mod upstream;

use std::sync::Arc;

use desmigratif_core::access::AgencyKind;
use desmigratif_core::ports::clock::Clock;
use desmigratif_core::ports::ministry::Ministry;

use config::{ConnectError, Connection};

/// Sets up the way to `ministry`. Reads secrets and certificates; calls nobody yet.
///
/// # Errors
/// [`ConnectError`] when the configuration is of no use.
pub fn connect(
    ministry: AgencyKind,
    connection: &Connection,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Ministry>, ConnectError> {
    connection.upstream().check()?;
    match (ministry, connection) {
        (AgencyKind::Kemendagri, Connection::Dukcapil(settings)) => {
            Ok(Arc::new(kemendagri::Dukcapil::new(settings, clock)?))
        }
        (AgencyKind::Kemenkes, Connection::Satusehat(settings)) => {
            Ok(Arc::new(kemenkes::connect(settings, clock)?))
        }
        (AgencyKind::Kemendes, Connection::Idm(settings)) => {
            Ok(Arc::new(kemendes::connect(settings, clock)?))
        }
        (_, Connection::Connector(settings)) => {
            Ok(Arc::new(connector::connect(ministry, settings, clock)?))
        }
        (_, Connection::Dukcapil(_) | Connection::Satusehat(_) | Connection::Idm(_)) => {
            Err(ConnectError::Protocol { ministry, protocol: connection.protocol() })
        }
    }
}
