//! Reading what was sent by the contract's own descriptors: which fields are there, of which class.

use std::collections::{BTreeMap, BTreeSet};

use desmigratif_proto::options::v1::DataClass;
use desmigratif_proto::{ClassSet, FILE_DESCRIPTOR_SET, Method};
use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    ReflectMessage as _, Value,
};

/// Longer than any text of the contract may be.
const TOO_LONG: usize = 30_000;

/// Fields by their full names, with their classes.
pub(super) type Fields = BTreeMap<String, DataClass>;

/// A method as the table and people name it: "WorkerService/GetWorker".
pub(super) fn short_name(method: &Method) -> String {
    format!("{}/{}", method.service.rsplit('.').next().unwrap(), method.name)
}

/// The classes of some fields.
pub(super) fn classes(fields: &Fields) -> ClassSet {
    fields.values().fold(ClassSet::NONE, |set, class| set.with(*class))
}

/// The contract's descriptors.
pub(super) struct Contract {
    pool: DescriptorPool,
    data_class: ExtensionDescriptor,
}

impl Contract {
    /// The descriptors that the gateway itself serves by reflection.
    pub(super) fn load() -> Self {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
        let data_class = pool.get_extension_by_name("desmigratif.options.v1.data_class").unwrap();
        Self { pool, data_class }
    }

    fn message(&self, name: &str) -> MessageDescriptor {
        self.pool.get_message_by_name(name).unwrap()
    }

    /// A method's request, from its bytes.
    pub(super) fn request(&self, method: &Method, bytes: &[u8]) -> DynamicMessage {
        DynamicMessage::decode(self.message(method.input), bytes).unwrap()
    }

    /// The messages of the body of a method's answer.
    pub(super) fn answers(&self, method: &Method, body: &[u8]) -> Vec<DynamicMessage> {
        let (mut messages, mut rest) = (Vec::new(), body);
        while let Some((head, tail)) = rest.split_at_checked(5) {
            assert_eq!(head[0], 0, "not compressed");
            let length = u32::from_be_bytes(head[1..].try_into().unwrap());
            let (message, tail) = tail.split_at(length as usize);
            let output = self.message(method.output);
            messages.push(DynamicMessage::decode(output, message).unwrap());
            rest = tail;
        }
        assert!(rest.is_empty(), "whole messages");
        messages
    }

    /// The fields that are in a message and in those that it holds.
    pub(super) fn present(&self, message: &DynamicMessage) -> Fields {
        let mut fields = Fields::new();
        self.add_present(message, &mut fields);
        fields
    }

    fn add_present(&self, message: &DynamicMessage, fields: &mut Fields) {
        let name = message.descriptor().full_name().to_owned();
        assert_eq!(message.unknown_fields().count(), 0, "{name} has fields of no contract");
        for (field, value) in message.fields() {
            fields.extend(self.class(&field).map(|class| (field.full_name().to_owned(), class)));
            for held in held(value) {
                self.add_present(held, fields);
            }
        }
    }

    /// The fields that a method's request, or what it holds, can have.
    pub(super) fn input_fields(&self, method: &Method) -> Fields {
        self.possible(method.input)
    }

    /// The fields that a method's answer, or what it holds, can have.
    pub(super) fn output_fields(&self, method: &Method) -> Fields {
        self.possible(method.output)
    }

    fn possible(&self, name: &str) -> Fields {
        let mut fields = Fields::new();
        let (mut known, mut next) = (BTreeSet::new(), vec![self.message(name)]);
        while let Some(message) = next.pop() {
            if !known.insert(message.full_name().to_owned()) {
                continue;
            }
            for field in message.fields() {
                let class = self.class(&field);
                fields.extend(class.map(|class| (field.full_name().to_owned(), class)));
                if let Kind::Message(held) = field.kind() {
                    next.push(held);
                }
            }
        }
        fields
    }

    /// The class of a field; none for those of Google's own messages, which are of the class of the
    /// field that holds them.
    fn class(&self, field: &FieldDescriptor) -> Option<DataClass> {
        if field.parent_message().package_name() == "google.protobuf" {
            return None;
        }
        let options = field.options();
        let number = options.get_extension(&self.data_class).as_enum_number().unwrap();
        let class = DataClass::try_from(number).unwrap();
        assert_ne!(class, DataClass::Unspecified, "{}", field.full_name());
        Some(class)
    }
}

/// The messages that a value holds.
fn held(value: &Value) -> Vec<&DynamicMessage> {
    match value {
        Value::Message(message) => vec![message],
        Value::List(values) => values.iter().flat_map(held).collect(),
        Value::Map(values) => values.values().flat_map(held).collect(),
        _ => Vec::new(),
    }
}

/// Makes every text in a message longer than is allowed; it begins as before, so that an echo shows.
/// How many there were.
pub(super) fn spoil(message: &mut DynamicMessage) -> usize {
    message.fields_mut().map(|(_, value)| spoil_value(value)).sum()
}

fn spoil_value(value: &mut Value) -> usize {
    match value {
        Value::String(text) => {
            text.push_str(&"x".repeat(TOO_LONG));
            1
        }
        Value::Message(message) => spoil(message),
        Value::List(values) => values.iter_mut().map(spoil_value).sum(),
        _ => 0,
    }
}

/// Clears what differs from call to call in a message and in those that it holds: its receipt, its
/// time, the id of what was made, and the request's id, which the caller has sent.
pub(super) fn scrub(message: &mut DynamicMessage) {
    for name in ["receipt", "as_of", "request_id", "withholding_id"] {
        message.clear_field_by_name(name);
    }
    for (_, value) in message.fields_mut() {
        scrub_value(value);
    }
}

fn scrub_value(value: &mut Value) {
    match value {
        Value::Message(message) => scrub(message),
        Value::List(values) => values.iter_mut().for_each(scrub_value),
        _ => {}
    }
}
