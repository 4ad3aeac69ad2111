#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| aurora::fuzzing::request_body(data));
