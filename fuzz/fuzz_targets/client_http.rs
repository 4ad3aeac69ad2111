#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| aurora::fuzzing::client_http(data));
