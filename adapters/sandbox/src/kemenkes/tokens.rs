//! SATUSEHAT's access tokens: OAuth2 client credentials in the shape of its gateway, where every
//! number is a string.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::credentials;

/// The tokens in force. A clone is the same set.
#[derive(Clone, Default)]
pub(crate) struct Tokens(Arc<Mutex<HashMap<String, Timestamp>>>);

impl Tokens {
    /// Issues a token that lasts so long; answers with the whole reply.
    pub(crate) fn issue(&self, token: String, now: Timestamp, seconds: u32) -> Value {
        let expires = now.saturating_add(SignedDuration::from_secs(i64::from(seconds)));
        let reply = json!({
            "refresh_token_expires_in": "0",
            "api_product_list": "[api-satusehat-sandbox]",
            "organization_name": "ihs-sandbox-1",
            "developer.email": "contoh@example.org",
            "token_type": "BearerToken",
            "issued_at": now.as_millisecond().to_string(),
            "client_id": credentials::SATUSEHAT_CLIENT_ID,
            "access_token": token,
            "application_name": "00000000-0000-4000-8000-000000000000",
            "scope": "",
            "expires_in": seconds.to_string(),
            "refresh_count": "0",
            "status": "approved",
        });
        let mut tokens = self.lock();
        tokens.retain(|_, expires| *expires > now);
        // The time of day may be at its very end, where nothing can expire any more.
        tokens.insert(token, expires.unwrap_or(Timestamp::MAX));
        reply
    }

    /// Whether a token is in force.
    pub(crate) fn accepts(&self, token: &str, now: Timestamp) -> bool {
        self.lock().get(token).is_some_and(|expires| *expires > now)
    }

    /// Expires every token.
    pub(crate) fn expire_all(&self) {
        self.lock().clear();
    }

    /// No holder of the lock leaves half a change behind, so a poisoned one is as good.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
