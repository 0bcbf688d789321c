//! The contract as the build script sees it: descriptors, where they stand in the source, and the
//! project's own options on them.
//!
//! Invariant: everything here is read from one descriptor pool, so a file that a test compiles in
//! memory and the contract on disk go the same way.

use prost_reflect::prost_types::source_code_info::Location;
use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, ExtensionDescriptor, FieldDescriptor,
    FileDescriptor, Kind, MessageDescriptor, MethodDescriptor, OneofDescriptor, ReflectMessage,
    Value,
};

/// The packages that are ours; everything else in the pool is imported.
const OURS: &str = "desmigratif.";

/// A set of files of ours, in one pool with all that they import.
pub(crate) struct Contract {
    pool: DescriptorPool,
    files: Vec<FileDescriptor>,
}

impl Contract {
    /// All packages `desmigratif.*` of `pool`.
    pub(crate) fn new(pool: DescriptorPool) -> Self {
        Self::only(pool, OURS)
    }

    /// The files of `pool` whose package begins with `prefix`.
    pub(crate) fn only(pool: DescriptorPool, prefix: &str) -> Self {
        let files = pool.files().filter(|file| file.package_name().starts_with(prefix)).collect();
        Self { pool, files }
    }

    /// The files, each after those that it imports.
    pub(crate) fn files(&self) -> &[FileDescriptor] {
        &self.files
    }

    /// Every message, nested ones after the one that holds them.
    pub(crate) fn messages(&self) -> Vec<MessageDescriptor> {
        let mut all = Vec::new();
        for file in &self.files {
            for message in file.messages() {
                collect_messages(message, &mut all);
            }
        }
        all
    }

    /// Every enum, also those inside messages.
    pub(crate) fn enums(&self) -> Vec<EnumDescriptor> {
        let top = self.files.iter().flat_map(|file| file.enums().collect::<Vec<_>>());
        let nested = self
            .messages()
            .into_iter()
            .flat_map(|message| message.child_enums().collect::<Vec<_>>());
        top.chain(nested).collect()
    }

    /// Every method of every service.
    pub(crate) fn methods(&self) -> Vec<MethodDescriptor> {
        self.files
            .iter()
            .flat_map(FileDescriptor::services)
            .flat_map(|service| service.methods().collect::<Vec<_>>())
            .collect()
    }

    /// The data class of a field, by name: `DATA_CLASS_IDENTITY`. `None` when it declares none.
    pub(crate) fn data_class(&self, field: &FieldDescriptor) -> Option<String> {
        let option = self.extension("desmigratif.options.v1.data_class")?;
        enum_name(&option.kind(), &field.options().get_extension(&option))
    }

    /// The effect of a method, by name: `EFFECT_DISCLOSE`. `None` when it declares none.
    pub(crate) fn effect(&self, method: &MethodDescriptor) -> Option<String> {
        let option = self.extension("desmigratif.options.v1.access")?;
        let options = method.options();
        let access = options.get_extension(&option);
        let access = access.as_message()?;
        let effect = access.descriptor().get_field_by_name("effect")?;
        enum_name(&effect.kind(), &access.get_field(&effect))
    }

    /// Whether a method's access says that its answer goes on for as long as the caller likes.
    pub(crate) fn lasting(&self, method: &MethodDescriptor) -> bool {
        let Some(option) = self.extension("desmigratif.options.v1.access") else { return false };
        let options = method.options();
        let access = options.get_extension(&option);
        let lasting = access.as_message().and_then(|access| {
            // The fixtures of the tests have options of their own.
            let field = access.descriptor().get_field_by_name("lasting")?;
            access.get_field(&field).as_bool()
        });
        lasting.unwrap_or(false)
    }

    /// The rules on a field, as they are written.
    pub(crate) fn field_rules(&self, field: &FieldDescriptor) -> Option<DynamicMessage> {
        let option = self.extension("buf.validate.field")?;
        let options = field.options();
        options
            .has_extension(&option)
            .then(|| options.get_extension(&option).as_message().cloned())?
    }

    /// Whether one of the members of `oneof` must be set.
    pub(crate) fn oneof_required(&self, oneof: &OneofDescriptor) -> bool {
        let Some(option) = self.extension("buf.validate.oneof") else { return false };
        let options = oneof.options();
        let rules = options.get_extension(&option);
        let required = rules.as_message().and_then(|rules| rules.get_field_by_name("required"));
        required.is_some_and(|value| value.as_bool() == Some(true))
    }

    /// `None` in a pool where no file imports the option, so that nothing can carry it.
    fn extension(&self, name: &str) -> Option<ExtensionDescriptor> {
        self.pool.get_extension_by_name(name)
    }
}

/// Whether `message` is ours, so that it has generated code of its own. Others, such as
/// `google.protobuf.Timestamp`, are leaves.
pub(crate) fn is_ours(message: &MessageDescriptor) -> bool {
    message.full_name().starts_with(OURS)
}

/// The message that `field` holds, if it is one of ours.
pub(crate) fn held_message(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(message) if is_ours(&message) => Some(message),
        _ => None,
    }
}

/// The oneof that `field` is a member of. The one that the compiler makes for `optional` is none.
pub(crate) fn oneof_of(field: &FieldDescriptor) -> Option<OneofDescriptor> {
    field.containing_oneof().filter(|oneof| !oneof.is_synthetic())
}

/// The oneofs that stand in the source of `message`.
pub(crate) fn written_oneofs(message: &MessageDescriptor) -> Vec<OneofDescriptor> {
    message.oneofs().filter(|oneof| !oneof.is_synthetic()).collect()
}

/// The line, counted from 1, where the thing at `path` of `file` begins; 0 when it is not known.
pub(crate) fn line(file: &FileDescriptor, path: &[i32]) -> i32 {
    location(file, path).and_then(|location| location.span.first()).map_or(0, |line| line + 1)
}

/// The comment right above the thing at `path` of `file`; empty when there is none.
pub(crate) fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    location(file, path)
        .and_then(|location| location.leading_comments.as_deref())
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

fn location<'a>(file: &'a FileDescriptor, path: &[i32]) -> Option<&'a Location> {
    let info = file.file_descriptor_proto().source_code_info.as_ref()?;
    info.location.iter().find(|location| location.path == path)
}

fn collect_messages(message: MessageDescriptor, all: &mut Vec<MessageDescriptor>) {
    let children: Vec<_> = message.child_messages().collect();
    all.push(message);
    for child in children.into_iter().filter(|child| !child.is_map_entry()) {
        collect_messages(child, all);
    }
}

/// The name of an enum value; `None` for the zero value, which means "not set" in every enum.
fn enum_name(kind: &Kind, value: &Value) -> Option<String> {
    let number = value.as_enum_number().filter(|number| *number != 0)?;
    kind.as_enum()?.get_value(number).map(|value| value.name().to_owned())
}
