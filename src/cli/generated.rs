//! The generated files: completions, man pages, the configuration reference.
