#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| aurora::fuzzing::json_members(data));
