#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| libp2p_peer_sampling_fuzz::view::run(data));
