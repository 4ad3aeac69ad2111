//! Positions of the nodes of a YAML document, within limits of size and depth.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScanError, Span};

use crate::config::problem::Fault;

/// Nodes of a document after its aliases are followed; a real configuration has some hundreds.
const MAX_NODES: usize = 50_000;

/// Sections and lists within each other; a real configuration has four.
const MAX_DEPTH: usize = 32;

/// Position of a node; in a mapping, keys and values alternate.
#[derive(Debug, Default)]
pub(crate) struct Mark {
    pub(crate) line: usize,
    pub(crate) column: usize,
    anchor: usize,
    /// Number of nodes below it, itself included, aliases followed.
    size: usize,
    children: Vec<Mark>,
}

impl Mark {
    fn new(span: Span, anchor: usize, size: usize) -> Self {
        let (line, column) = (span.start.line(), span.start.col() + 1);
        Self { line, column, anchor, size, children: Vec::new() }
    }

    /// The mark of a node below; below an alias everything has the alias's position.
    pub(crate) fn child(&self, index: usize) -> &Self {
        self.children.get(index).unwrap_or(self)
    }
}

/// Refusal of a document.
pub(crate) enum Refused {
    Syntax(ScanError),
    At(usize, usize, Fault),
}

fn refuse(span: Span, id: &'static str, message: &str, fix: &str) -> Result<(), Refused> {
    Err(Refused::At(span.start.line(), span.start.col() + 1, Fault::new(id, message, fix)))
}

/// The marks of a document under construction.
#[derive(Default)]
pub(crate) struct Outline {
    open: Vec<Mark>,
    root: Option<Mark>,
    documents: usize,
    sizes: HashMap<usize, usize>,
}

impl Outline {
    /// The marks of the only document; `None` where there is none.
    ///
    /// # Errors
    /// Bad syntax, a second document, a tag, or more nodes than a configuration can have.
    pub(crate) fn read(text: &str) -> Result<Option<Mark>, Refused> {
        let mut outline = Self::default();
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(Refused::Syntax)?;
            outline.take(&event, span)?;
        }
        Ok(outline.root)
    }

    fn take(&mut self, event: &Event<'_>, span: Span) -> Result<(), Refused> {
        if let Event::Scalar(.., Some(_))
        | Event::SequenceStart(_, Some(_))
        | Event::MappingStart(_, Some(_)) = event
        {
            let fix = "remove it; quote what must be a string";
            return refuse(span, "yaml-tag", "a YAML tag has no meaning here", fix);
        }
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let fix = "keep one document in the file";
                    return refuse(span, "yaml-documents", "a second document", fix);
                }
            }
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                if self.open.len() == MAX_DEPTH {
                    let what = format!("more than {MAX_DEPTH} nested sections and lists");
                    return refuse(span, "yaml-depth", &what, "write it flatter");
                }
                self.open.push(Mark::new(span, *anchor, 1));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(closed) = self.open.pop() {
                    return self.close(closed);
                }
            }
            Event::Scalar(_, _, anchor, _) => return self.close(Mark::new(span, *anchor, 1)),
            Event::Alias(anchor) => {
                let Some(size) = self.sizes.get(anchor).copied() else {
                    let fix = "write the value out";
                    return refuse(span, "yaml-bomb", "an alias that contains itself", fix);
                };
                return self.close(Mark::new(span, 0, size));
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn close(&mut self, mark: Mark) -> Result<(), Refused> {
        if mark.anchor > 0 {
            self.sizes.insert(mark.anchor, mark.size);
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(mark);
            return Ok(());
        };
        parent.size = parent.size.saturating_add(mark.size);
        if parent.size > MAX_NODES {
            let what = format!("more than {MAX_NODES} values after its aliases are expanded");
            let fault = Fault::new("yaml-bomb", what, "write the values out");
            return Err(Refused::At(mark.line, mark.column, fault));
        }
        parent.children.push(mark);
        Ok(())
    }
}
