//! The checks that the build makes: what the contract forgets to say does not compile.

#[path = "../build/check.rs"]
mod check;
#[path = "../build/rules.rs"]
#[allow(dead_code)] // the generators, which use the rest, are not part of this test
mod rules;
#[path = "../build/schema.rs"]
#[allow(dead_code)]
mod schema;

use protox::Compiler;
use protox::file::{
    ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver,
};

/// One proto file that is not on disk.
struct Inline(String);

impl FileResolver for Inline {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            "t.proto" => File::from_source(name, &self.0),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}

/// Compiles `body` as a file of the contract, after six lines of heading, beside the real options.
fn compile(body: &str) -> Result<schema::Contract, protox::Error> {
    let source = format!(
        "syntax = \"proto3\";\n\
         package desmigratif.t.v1;\n\
         import \"buf/validate/validate.proto\";\n\
         import \"desmigratif/options/v1/options.proto\";\n\
         import \"google/protobuf/timestamp.proto\";\n\
         \n\
         {body}"
    );
    let mut resolver = ChainFileResolver::new();
    resolver.add(Inline(source));
    resolver.add(IncludeFileResolver::new(env!("CARGO_MANIFEST_DIR").into()));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);
    compiler.open_file("t.proto")?;
    Ok(schema::Contract::new(compiler.descriptor_pool()))
}

/// The offences of `body`, as cargo shows them.
fn offences(body: &str) -> Vec<String> {
    let contract = compile(body).expect("the test's proto is well-formed");
    check::offences(&contract).iter().map(ToString::to_string).collect()
}

/// The one offence of a field that is otherwise in order.
fn offence_of_field(field: &str, options: &str) -> String {
    let found = offences(&format!(
        "// A message.\nmessage M {{\n  // A field.\n  {field} = 1 \
         [(desmigratif.options.v1.data_class) = DATA_CLASS_PUBLIC, {options}];\n}}\n\
         // An enum.\nenum E {{\n  // Not set.\n  E_UNSPECIFIED = 0;\n}}\n"
    ));
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().expect("there is one")
}

const IN_ORDER: &str = r#"
// A service.
service S {
  // A method.
  rpc Get(GetRequest) returns (GetResponse) {
    option (desmigratif.options.v1.access) = {effect: EFFECT_READ_PUBLIC};
  }
}

// A request.
message GetRequest {
  // One of.
  oneof key {
    // A name.
    string name = 1 [
      (desmigratif.options.v1.data_class) = DATA_CLASS_IDENTITY,
      (buf.validate.field).string.min_len = 1
    ];
  }
  // If stated.
  optional string note = 2 [(desmigratif.options.v1.data_class) = DATA_CLASS_PUBLIC];
}

// A response.
message GetResponse {
  // When.
  google.protobuf.Timestamp at = 1 [(desmigratif.options.v1.data_class) = DATA_CLASS_PUBLIC];
}
"#;

#[test]
fn a_contract_in_order_has_no_offences() {
    assert_eq!(offences(IN_ORDER), [""; 0]);
}

#[test]
fn a_field_without_a_data_class_does_not_compile() {
    let found = offences("// A message.\nmessage M {\n  // A field.\n  string name = 1;\n}\n");
    assert_eq!(
        found,
        ["t.proto:10: field desmigratif.t.v1.M.name has no data class: add \
          `[(desmigratif.options.v1.data_class) = DATA_CLASS_...]`"]
    );
}

#[test]
fn an_unspecified_data_class_is_none() {
    let found = offences(
        "// A message.\nmessage M {\n  // A field.\n  string name = 1 \
         [(desmigratif.options.v1.data_class) = DATA_CLASS_UNSPECIFIED];\n}\n",
    );
    assert!(found.len() == 1 && found[0].contains("has no data class"), "{found:?}");
}

#[test]
fn a_method_without_access_does_not_compile() {
    for option in ["", "option (desmigratif.options.v1.access) = {effect: EFFECT_UNSPECIFIED};"] {
        let found = offences(&format!(
            "// A message.\nmessage M {{}}\n// A service.\nservice S {{\n  // A method.\n  \
             rpc Get(M) returns (M) {{ {option} }}\n}}\n"
        ));
        assert!(
            found.len() == 1
                && found[0]
                    .starts_with("t.proto:12: method desmigratif.t.v1.S.Get declares no access"),
            "{found:?}"
        );
    }
}

#[test]
fn nothing_compiles_without_a_comment() {
    // Takes the comments out one by one; each one missing is one offence.
    let comments = IN_ORDER.lines().filter(|line| line.trim_start().starts_with("//")).count();
    for left_out in 0..comments {
        let mut seen = 0;
        let lines = IN_ORDER.lines().map(|line| {
            let is_comment = line.trim_start().starts_with("//");
            seen += usize::from(is_comment);
            if is_comment && seen == left_out + 1 { "" } else { line }
        });
        let found = offences(&lines.collect::<Vec<_>>().join("\n"));
        assert!(found.len() == 1 && found[0].contains("has no comment"), "{left_out}: {found:?}");
    }
}

#[test]
fn an_enum_begins_with_unspecified_and_says_what_its_values_are() {
    let found = offences("enum E {\n  E_RED = 0;\n}\n");
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("t.proto:7: enum desmigratif.t.v1.E has no comment"));
    assert!(found.iter().any(|it| it.contains("end its name in _UNSPECIFIED")));
    assert!(found.iter().any(|it| it.contains("enum value desmigratif.t.v1.E_RED has no comment")));
}

#[test]
fn all_offences_are_listed_at_once_also_those_of_nested_messages() {
    let found = offences("message M {\n  message N {\n    string name = 1;\n  }\n}\n");
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn a_map_does_not_compile() {
    let found = offences(
        "// A message.\nmessage M {\n  // A field.\n  map<string, string> tags = 1 \
         [(desmigratif.options.v1.data_class) = DATA_CLASS_PUBLIC];\n}\n",
    );
    assert!(found.len() == 1 && found[0].contains("use a repeated message"), "{found:?}");
}

#[test]
fn rules_that_do_not_fit_their_field_do_not_compile() {
    for (field, options, expected) in [
        ("string f", "(buf.validate.field).uint32.lte = 1", "`uint32` rules, which do not fit"),
        ("string f", "(buf.validate.field).repeated.max_items = 1", "`repeated` rules"),
        ("repeated string f", "(buf.validate.field).string.len = 1", "`string` rules"),
        ("google.protobuf.Timestamp f", "(buf.validate.field).string.len = 1", "`string` rules"),
        ("double f", "(buf.validate.field).double = {gte: 2, lte: 1}", "bound 1 below its lower 2"),
        ("double f", "(buf.validate.field).double = {}", "empty `double` rules"),
        ("string f", "(buf.validate.field).string = {min_len: 2, max_len: 1}", "least length 2"),
        ("string f", "(buf.validate.field).string.pattern = \"(\"", "bad pattern"),
        ("string f", "(buf.validate.field).string.pattern = \"^\\\\d$\"", "has \\d in its pattern"),
        ("string f", "(buf.validate.field).string.uuid = false", "`uuid`, which means nothing"),
        ("E f", "(buf.validate.field).enum.in = 7", "names 7, which E does not define"),
        (
            "repeated string f",
            "(buf.validate.field).repeated.items.required = true",
            "has `required` on its items",
        ),
    ] {
        let found = offence_of_field(field, options);
        assert!(found.contains(expected), "{options}: {found}");
    }
}

#[test]
fn a_rule_that_the_build_does_not_enforce_does_not_compile() {
    for rule in ["string.email = true", "string.prefix = \"x\"", "cel = {id: \"x\"}"] {
        let error = compile(&format!(
            "// A message.\nmessage M {{\n  // A field.\n  string f = 1 \
             [(buf.validate.field).{rule}];\n}}\n"
        ));
        let error = error.err().expect("the rule is not declared").to_string();
        assert!(error.contains("is not defined"), "{error}");
    }
}
