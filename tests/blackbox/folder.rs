//! Data folders to start from, and what is in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::gateway::Gateway;

/// The files of a folder and of those in it, by their path within.
pub(crate) type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A folder as a gateway that was stopped in good order left it: certificates, configuration and
/// a store. Each is a copy of its own.
pub(crate) fn prepared() -> TempDir {
    static PREPARED: OnceLock<Files> = OnceLock::new();
    let files = PREPARED.get_or_init(|| {
        let mut gateway = Gateway::start_in(tempfile::tempdir().unwrap());
        gateway.signal("TERM");
        assert!(gateway.wait().success(), "{}", gateway.log());
        files(gateway.data())
    });
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    folder
}

/// The files of a folder. Left out is what says nothing: the lock beside a store, SQLite's shared
/// memory, and a log of it that is empty, as a mere look at a store leaves them.
pub(crate) fn files(folder: &Path) -> Files {
    let mut files = Files::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_owned();
            let bytes = std::fs::read(&path).unwrap();
            let ends_with = |end| name.to_str().unwrap().ends_with(end);
            if !(ends_with(".lock") || ends_with("-shm") || ends_with("-wal") && bytes.is_empty()) {
                files.insert(name, bytes);
            }
        }
    }
    files
}
