//! Places that values come from: the environment, `.env`, YAML, `${VAR}` substitution, files.

pub(crate) mod dotenv;
pub(crate) mod environment;
pub(crate) mod files;
mod outline;
pub(crate) mod substitution;
mod syntax;
pub(crate) mod texts;
pub(crate) mod variables;
pub(crate) mod yaml;
