//! The long run: libFuzzer within the process of the test, by its own way in, `LLVMFuzzerRunDriver`.
//! It ends the process: with status 0 when its time is over.

use std::ffi::{CString, c_char, c_int};
use std::path::Path;
use std::sync::OnceLock;

// Brings libFuzzer along; its own `main` stays out, since a test has one.
use libfuzzer_sys as _;

/// In the environment: what libFuzzer is told, with the folder for what it finds.
const ARGUMENTS: &str = "FUZZ_ARGUMENTS";

static PROPERTY: OnceLock<fn(&[u8])> = OnceLock::new();

unsafe extern "C" {
    /// libFuzzer's way in (llvm.org/docs/LibFuzzer.html, "Using libFuzzer as a library"). It may
    /// replace the arguments; what it calls must return 0.
    fn LLVMFuzzerRunDriver(
        argc: *mut c_int,
        argv: *mut *mut *mut c_char,
        one_input: extern "C" fn(*const u8, usize) -> c_int,
    ) -> c_int;
}

extern "C" fn one_input(data: *const u8, size: usize) -> c_int {
    let input = if size == 0 {
        &[]
    } else {
        // SAFETY: libFuzzer hands over `size` bytes at `data`, its own until this returns.
        unsafe { std::slice::from_raw_parts(data, size) }
    };
    if let Some(property) = PROPERTY.get() {
        property(input);
    }
    0
}

/// Fuzzes until the arguments say that it is enough, and ends the process.
pub(crate) fn run(kept: &Path, property: fn(&[u8])) -> ! {
    PROPERTY.get_or_init(|| property);
    let print = std::panic::take_hook();
    // libFuzzer keeps the input that it was at when the process aborts.
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        std::process::abort();
    }));
    let given = std::env::var(ARGUMENTS).unwrap_or_default();
    let broken = format!("-artifact_prefix={}/broken-", kept.display());
    let kept = kept.display().to_string();
    let own = [broken.as_str(), kept.as_str()];
    let arguments = ["fuzz"].into_iter().chain(given.split_whitespace()).chain(own);
    let arguments = arguments.map(|it| CString::new(it).expect("an argument without NUL"));
    let mut pointers: Vec<_> = arguments.map(CString::into_raw).collect();
    let mut argc = c_int::try_from(pointers.len()).expect("a few arguments");
    pointers.push(std::ptr::null_mut());
    let mut argv = pointers.as_mut_ptr();
    // SAFETY: `argv` has `argc` texts that end in NUL, and a null pointer after them. They are
    // never freed, and `one_input` is a function.
    let status = unsafe { LLVMFuzzerRunDriver(&raw mut argc, &raw mut argv, one_input) };
    std::process::exit(status)
}
