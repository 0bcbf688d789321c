//! The signature base: from the two fields of a signature and the message that they speak of to
//! the bytes that were signed (RFC 9421 sections 2 and 3).
//!
//! It knows the components of a request that need no parameter; which of them a caller may cover
//! is not decided here.

use http::uri::Authority;
use http::{HeaderMap, Method};
use sfv::{BareItem, Dictionary, InnerList, ListEntry, ListSerializer, Parameters, Parser};

use super::{Refused, SIGNATURE, SIGNATURE_INPUT};

/// The port that an authority leaves out (RFC 9110 section 4.2.2).
const HTTPS: u16 = 443;

/// What of a request can be signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    /// Its method.
    pub(crate) method: &'a Method,
    /// Its path, with the leading slash.
    pub(crate) path: &'a str,
    /// The authority that it is sent to, where it says one.
    pub(crate) authority: Option<&'a Authority>,
    /// Its fields.
    pub(crate) headers: &'a HeaderMap,
}

/// A signature as its fields describe it.
#[derive(Debug)]
pub(super) struct Described {
    input: InnerList,
    /// The signature.
    pub(super) value: Vec<u8>,
}

impl Described {
    /// Reads the one signature with a tag; those with other tags are others' affair.
    pub(super) fn read(headers: &HeaderMap, tag: &str) -> Result<Self, Refused> {
        let inputs = dictionary(headers, SIGNATURE_INPUT)?;
        let mut values = dictionary(headers, SIGNATURE)?;
        let mut tagged = inputs.into_iter().filter_map(|(label, member)| match member {
            ListEntry::InnerList(input) => {
                (said(&input.params, "tag")? == tag).then_some((label, input))
            }
            ListEntry::Item(_) => None,
        });
        let (Some((label, input)), None) = (tagged.next(), tagged.next()) else {
            return Err(Refused::NotOne);
        };
        match values.swap_remove(&label) {
            Some(ListEntry::Item(item)) => match item.bare_item {
                BareItem::ByteSequence(value) => Ok(Self { input, value }),
                _ => Err(Refused::NotOne),
            },
            _ => Err(Refused::NotOne),
        }
    }

    /// The parameters of the signature.
    pub(super) fn parameters(&self) -> &Parameters {
        &self.input.params
    }

    /// The names of the components that it covers, each once.
    pub(super) fn covered(&self) -> Result<Vec<&str>, Refused> {
        let mut names = Vec::with_capacity(self.input.items.len());
        for item in &self.input.items {
            let name = item.bare_item.as_string().ok_or(Refused::Foreign)?.as_str();
            if !item.params.is_empty() || names.contains(&name) {
                return Err(Refused::Foreign);
            }
            names.push(name);
        }
        Ok(names)
    }

    /// What was signed: a line for each component, and one for the parameters.
    pub(super) fn base(&self, message: &Message<'_>) -> Result<Vec<u8>, Refused> {
        let mut base = String::with_capacity(512);
        for name in self.covered()? {
            base.push_str(&format!("\"{name}\": {}\n", message.component(name)?));
        }
        let mut parameters = ListSerializer::new();
        parameters.members([&ListEntry::InnerList(self.input.clone())]);
        // A list with one member is not empty.
        let parameters = parameters.finish().unwrap_or_default();
        base.push_str(&format!("\"@signature-params\": {parameters}"));
        Ok(base.into_bytes())
    }
}

impl Message<'_> {
    /// The value of a component of the message.
    fn component(&self, name: &str) -> Result<String, Refused> {
        match name {
            "@method" => Ok(self.method.as_str().to_owned()),
            "@path" => Ok(if self.path.is_empty() { "/" } else { self.path }.to_owned()),
            "@authority" => {
                let authority = self.authority.ok_or(Refused::Foreign)?;
                let host = authority.host().to_ascii_lowercase();
                Ok(match authority.port_u16() {
                    None | Some(HTTPS) => host,
                    Some(port) => format!("{host}:{port}"),
                })
            }
            derived if derived.starts_with('@') => Err(Refused::Foreign),
            field => self::field(self.headers, field).ok_or(Refused::Foreign),
        }
    }
}

/// The combined value of a field (RFC 9421 section 2.1); `None` when it is absent or not ASCII.
pub(super) fn field(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(name).iter().map(|value| value.to_str().map(str::trim));
    let values = values.collect::<Result<Vec<_>, _>>().ok()?;
    (!values.is_empty()).then(|| values.join(", "))
}

/// A field as a dictionary (RFC 9651 section 3.2).
pub(super) fn dictionary(headers: &HeaderMap, name: &'static str) -> Result<Dictionary, Refused> {
    let value = field(headers, name).ok_or(Refused::Unreadable(name))?;
    Parser::new(&value).parse().map_err(|_| Refused::Unreadable(name))
}

/// A parameter that is a string.
fn said<'a>(parameters: &'a Parameters, name: &str) -> Option<&'a str> {
    parameters.get(name)?.as_string().map(|text| text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    /// The request of RFC 9421 appendix B.2.
    fn example() -> Request<()> {
        Request::post("https://example.com/foo?param=Value&Pet=dog")
            .header("date", "Tue, 20 Apr 2021 02:07:55 GMT")
            .header("content-type", "application/json")
            .header("content-digest", "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:")
            .header("content-length", "18")
            .body(())
            .unwrap()
    }

    fn message(request: &Request<()>) -> Message<'_> {
        Message {
            method: request.method(),
            path: request.uri().path(),
            authority: request.uri().authority(),
            headers: request.headers(),
        }
    }

    fn described(input: &str) -> Described {
        let mut inputs: Dictionary = Parser::new(input).parse().unwrap();
        let Some((_, ListEntry::InnerList(input))) = inputs.pop() else {
            panic!("no inner list: {input}")
        };
        Described { input, value: Vec::new() }
    }

    fn base(input: &str, request: &Request<()>) -> Result<String, Refused> {
        let base = described(input).base(&message(request))?;
        Ok(String::from_utf8(base).unwrap())
    }

    #[test]
    fn the_base_is_that_of_rfc_9421() {
        let input = r#"("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#;
        let expected = [
            r#""date": Tue, 20 Apr 2021 02:07:55 GMT"#,
            r#""@method": POST"#,
            r#""@path": /foo"#,
            r#""@authority": example.com"#,
            r#""content-type": application/json"#,
            r#""content-length": 18"#,
            &format!(r#""@signature-params": {input}"#),
        ];
        assert_eq!(base(&format!("sig-b26={input}"), &example()).unwrap(), expected.join("\n"));
    }

    #[test]
    fn fields_and_authorities_are_written_in_the_one_way_that_both_sides_know() {
        // RFC 9421 section 2.1: several lines are one value, without the spaces around them.
        let request = Request::post("https://EXAMPLE.com:443/")
            .header("cache-control", "  max-age=60 ")
            .header("cache-control", "   must-revalidate")
            .body(())
            .unwrap();
        let said = base(r#"s=("cache-control" "@authority")"#, &request).unwrap();
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(lines[0], r#""cache-control": max-age=60, must-revalidate"#);
        assert_eq!(lines[1], r#""@authority": example.com"#);
        let other = Request::post("https://example.com:8443/").body(()).unwrap();
        let said = base(r#"s=("@authority")"#, &other).unwrap();
        assert!(said.starts_with("\"@authority\": example.com:8443\n"), "{said}");
    }

    #[test]
    fn parameters_are_written_anew_as_rfc_9651_writes_them() {
        let said = base(r#"s=(  "@path"   "@method" );  created=007"#, &example());
        let said = said.unwrap();
        assert_eq!(
            said.lines().last(),
            Some(r#""@signature-params": ("@path" "@method");created=7"#)
        );
    }

    #[test]
    fn what_the_message_has_not_and_what_is_twice_there_makes_no_base() {
        for foreign in [
            r#"s=("x-absent")"#,
            r#"s=("@path" "@path")"#,
            r#"s=("@path";req)"#,
            r#"s=("@status")"#,
            r#"s=("@query-param";name="Pet")"#,
            "s=(path)",
        ] {
            assert_eq!(base(foreign, &example()), Err(Refused::Foreign), "{foreign}");
        }
        let mut relative = example();
        *relative.uri_mut() = "/foo".parse().unwrap();
        assert_eq!(base(r#"s=("@authority")"#, &relative), Err(Refused::Foreign));
    }

    #[test]
    fn of_several_signatures_the_one_with_the_tag_is_read() {
        let read = |input: &str, signature: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(SIGNATURE_INPUT, input.parse().unwrap());
            headers.insert(SIGNATURE, signature.parse().unwrap());
            Described::read(&headers, "ours").map(|it| it.value)
        };
        let two = r#"a=("@path");tag="theirs", b=("@path");tag="ours""#;
        assert_eq!(read(two, "a=:AA==:, b=:AQ==:"), Ok(vec![1]));
        assert_eq!(read(two, "a=:AA==:"), Err(Refused::NotOne), "its value is missing");
        assert_eq!(read(two, "b=1"), Err(Refused::NotOne), "its value is no signature");
        let twice = r#"a=("@path");tag="ours", b=("@path");tag="ours""#;
        assert_eq!(read(twice, "a=:AA==:, b=:AQ==:"), Err(Refused::NotOne));
        assert_eq!(read(r#"a=("@path")"#, "a=:AA==:"), Err(Refused::NotOne), "it has no tag");
        assert_eq!(read("a=(", "a=:AA==:"), Err(Refused::Unreadable(SIGNATURE_INPUT)));
        assert_eq!(read(two, "b=:?:"), Err(Refused::Unreadable(SIGNATURE)));
    }
}
