//! The policy files: where they are, what is in them, and how a mistake in them is told.
//!
//! Invariant: a mistake names its file and line and fits on one line.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use miette::Diagnostic;

/// What the policy files may speak of. It is the gateway's own, for it names the contract.
pub(super) const SCHEMA: File<'static> =
    File { name: "schema.cedarschema", text: include_str!("../policies/schema.cedarschema") };

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        [$(File { name: $name, text: include_str!(concat!("../policies/", $name)) }),+]
    };
}

/// The policy files in the binary.
pub(super) const BUILT_IN: [File<'static>; 11] = built_in![
    "evidence.cedar",
    "feeds.cedar",
    "health.cedar",
    "identity.cedar",
    "open.cedar",
    "operations.cedar",
    "placement.cedar",
    "planning.cedar",
    "programme.cedar",
    "protection.cedar",
    "records.cedar",
];

/// A policy file.
#[derive(Clone, Copy, Debug)]
pub(super) struct File<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

/// Where policy files come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The set in the binary.
    BuiltIn,
    /// Every `*.cedar` file of a folder, in place of the set in the binary.
    Folder(PathBuf),
}

/// Why policy files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The folder or a file in it cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The folder has no policy file. That would refuse every call, which nobody means.
    #[error("{}: has no file that ends in .cedar", .0.display())]
    Empty(PathBuf),
    /// A file breaks Cedar's syntax, the schema or a rule of ours.
    #[error("{file}:{line}: {what}")]
    Mistake {
        /// The file's name.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

/// The policy files as they were at one time: name, time of change and length of each. Empty for
/// the set in the binary, which never changes, and for a folder that cannot be read.
pub(super) type Stamps = Vec<(PathBuf, Option<(SystemTime, u64)>)>;

impl Source {
    /// The files, by name.
    pub(super) fn read(&self) -> Result<Vec<(String, String)>, Broken> {
        let owned = |file: File<'_>| (file.name.to_owned(), file.text.to_owned());
        let folder = match self {
            Self::BuiltIn => return Ok(BUILT_IN.map(owned).into()),
            Self::Folder(folder) => folder,
        };
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            |source| Broken::Unreadable { path, source }
        };
        let paths = policy_files(folder).map_err(unreadable(folder))?;
        if paths.is_empty() {
            return Err(Broken::Empty(folder.clone()));
        }
        let read = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(path).map_err(unreadable(path))?;
            Ok((name, text))
        };
        paths.iter().map(read).collect()
    }

    pub(super) fn stamps(&self) -> Stamps {
        let Self::Folder(folder) = self else { return Stamps::new() };
        let stamp = |path: PathBuf| {
            let meta = std::fs::metadata(&path);
            let stamp = meta.and_then(|meta| Ok((meta.modified()?, meta.len()))).ok();
            (path, stamp)
        };
        policy_files(folder).unwrap_or_default().into_iter().map(stamp).collect()
    }
}

fn policy_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "cedar"));
    paths.sort();
    Ok(paths)
}

impl File<'_> {
    /// A mistake at a place in the file, counted in bytes.
    pub(super) fn mistake(&self, offset: usize, what: &str) -> Broken {
        let before = self.text.as_bytes().iter().take(offset);
        Broken::Mistake {
            file: self.name.to_owned(),
            line: 1 + before.filter(|byte| **byte == b'\n').count(),
            what: what.split_whitespace().collect::<Vec<_>>().join(" "),
        }
    }

    /// A mistake that Cedar has found.
    pub(super) fn found(&self, error: &dyn Diagnostic) -> Broken {
        let first = error.labels().and_then(|mut labels| labels.next());
        let mut what = error.to_string();
        if let Some(help) = error.help() {
            what = format!("{what}; {help}");
        }
        self.mistake(first.map_or(0, |label| label.offset()), &what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_file_of_the_source_is_in_the_binary() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/access/policies");
        let there = Source::Folder(folder).read().unwrap();
        assert_eq!(Source::BuiltIn.read().unwrap(), there);
    }

    #[test]
    fn a_mistake_is_one_line_with_its_file_and_line() {
        let file = File { name: "x.cedar", text: "one\ntwo\nthree" };
        assert_eq!(file.mistake(0, "a\n b").to_string(), "x.cedar:1: a b");
        assert_eq!(file.mistake(9, "a").to_string(), "x.cedar:3: a");
    }
}
