//! The table of the contract's methods: what each does with records, by path.

use crate::options::v1::Effect;

/// What the contract says of one method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// Path of its HTTP/2 request: "/desmigratif.village.v1.VillageService/GetVillage".
    pub path: &'static str,
    /// Full name of its service: "desmigratif.village.v1.VillageService".
    pub service: &'static str,
    /// Its name in the service: "GetVillage".
    pub name: &'static str,
    /// What it does with records. Never [`Effect::Unspecified`].
    pub effect: Effect,
    /// Whether the caller sends a stream.
    pub client_streaming: bool,
    /// Whether the gateway answers with a stream.
    pub server_streaming: bool,
    /// Whether the answer is a stream that goes on for as long as the caller likes.
    pub lasting: bool,
    /// Full name of the request's message: "desmigratif.village.v1.GetVillageRequest".
    pub input: &'static str,
    /// Full name of the response's message.
    pub output: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/contract/methods.rs"));

/// The method at `path`; `None` when the contract has none there, as for health and reflection.
#[must_use]
pub fn find(path: &str) -> Option<&'static Method> {
    let index = METHODS.binary_search_by(|method| method.path.cmp(path)).ok()?;
    METHODS.get(index)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_found_by_its_path_and_declares_its_effect() {
        assert!(!METHODS.is_empty());
        for method in METHODS {
            assert_eq!(find(method.path), Some(method));
            assert_eq!(method.path, format!("/{}/{}", method.service, method.name));
            assert_ne!(method.effect, Effect::Unspecified);
        }
    }

    #[test]
    fn a_path_of_no_method_is_not_found() {
        assert_eq!(find("/desmigratif.village.v1.VillageService/Get"), None);
        assert_eq!(find(""), None);
    }

    #[test]
    fn reading_a_village_is_public_and_its_profile_a_disclosure() {
        let of = |name| find(&format!("/desmigratif.village.v1.VillageService/{name}")).unwrap();
        assert_eq!(of("GetVillage").effect, Effect::ReadPublic);
        assert_eq!(of("GetVillage").input, "desmigratif.village.v1.GetVillageRequest");
        assert_eq!(of("GetVillageProfile").effect, Effect::Disclose);
    }
}
