//! What the simulated ministries accept: made up for the sandbox, and no secrets.

/// The agency's name in Dukcapil's paths.
pub const DUKCAPIL_AGENCY: &str = "SANDBOX";
/// Dukcapil's USER_ID.
pub const DUKCAPIL_USER_ID: &str = "sandbox-desmigratif";
/// Dukcapil's PASSWORD.
pub const DUKCAPIL_PASSWORD: &str = "sandbox-password";
/// The address that is registered with Dukcapil, for IP_USER.
pub const DUKCAPIL_IP_USER: &str = "10.99.0.1";
/// SATUSEHAT's client id.
pub const SATUSEHAT_CLIENT_ID: &str = "sandbox-client";
/// SATUSEHAT's client secret.
pub const SATUSEHAT_CLIENT_SECRET: &str = "sandbox-client-secret";
/// The one Organization ID that the client id may write as.
pub const SATUSEHAT_ORGANIZATION_ID: &str = "100099001";
