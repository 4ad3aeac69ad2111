//! The API that clients use, as data: its endpoints, the formats of its streams, the tokens that its responses declare.
//! A leaf: it imports nothing of the other folders.

mod closed_set;
pub mod endpoint;
pub mod finder;
pub(crate) mod json;
pub mod paths;
pub mod stream_format;
pub mod tokens;
pub mod usage;

pub(crate) use closed_set::closed_set;
pub use endpoint::Endpoint;
pub use finder::Finder;
pub use stream_format::StreamFormat;
pub use tokens::{Direction, TokenKind, Tokens};
