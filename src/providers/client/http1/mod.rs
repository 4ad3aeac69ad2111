//! Heads of HTTP/1.1 as a client writes and reads them: no I/O, and nothing that can be read in two ways.

pub(crate) mod request_head;
pub(crate) mod response_head;
