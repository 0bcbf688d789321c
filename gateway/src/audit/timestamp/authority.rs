//! Where timestamps come from: an authority behind HTTP (RFC 3161 section 3.4).
//!
//! What is sent is a digest and a random number. Its answer counts by its signature, so that plain
//! HTTP does as well; what is read of it is bounded in size and time.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, redirect};
use url::Url;

/// A token is a few thousand bytes; no answer is read beyond this.
const LARGEST_ANSWER: usize = 64 * 1024;

/// Somebody who answers requests for timestamps.
#[async_trait]
pub trait Authority: Send + Sync {
    /// The answer to a request, both in DER.
    ///
    /// # Errors
    /// What went wrong, in words that hold no address.
    async fn ask(&self, request: Vec<u8>) -> Result<Vec<u8>, String>;
}

/// An authority at an address.
pub struct Http {
    client: Client,
    url: Url,
}

impl Http {
    /// The authority at `url`, which has `answer` of time for an answer.
    ///
    /// # Errors
    /// That TLS cannot be set up.
    pub fn new(url: Url, answer: Duration) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .timeout(answer)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("desmigratif/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, url })
    }
}

#[async_trait]
impl Authority for Http {
    async fn ask(&self, request: Vec<u8>) -> Result<Vec<u8>, String> {
        let asked = self.client.post(self.url.clone());
        let asked = asked.header(CONTENT_TYPE, "application/timestamp-query").body(request);
        let mut answer = asked.send().await.map_err(failed)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(format!("it answers with HTTP status {}", answer.status().as_u16()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if bytes.len() + chunk.len() > LARGEST_ANSWER {
                return Err("its answer is too large".to_owned());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "handed to map_err")]
fn failed(error: reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "it does not answer in time"
    } else if error.is_connect() {
        "it cannot be reached"
    } else {
        "its answer breaks off"
    };
    what.to_owned()
}
