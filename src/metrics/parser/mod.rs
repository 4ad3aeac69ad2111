//! The Prometheus text exposition (0.0.4), read strictly: what Prometheus or promtool would refuse, and what the
//! format requires of histograms, is an error that names its line.
//!
//! [`line`] knows how one line is written, [`shape`] what a family must hold; this file puts lines together to
//! families. OpenMetrics differs in lines and shapes, not in [`Exposition`]. Our own, since the probe reports every
//! fault with its line in both formats.

mod labels;
mod line;
mod shape;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use labels::Interner;
pub use labels::Labels;
use line::{Line, quoted};
pub use line::{escape_label_value, unescape_label_value};

/// A whole exposition, in the order of its lines.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exposition {
    /// The families, each once.
    pub families: Vec<Family>,
}

/// All samples of one metric name.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Name as in `# TYPE`, without `_bucket`, `_sum` or `_count`.
    pub name: String,
    /// Meaning of the samples.
    pub kind: Kind,
    /// Text of `# HELP`, unescaped.
    pub help: Option<String>,
    /// The samples, in the order of their lines.
    pub samples: Vec<Sample>,
    /// Line of its first mention, from 1.
    pub line: usize,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Name as written, with `_bucket`, `_sum` or `_count`.
    pub name: Arc<str>,
    /// Label names and unescaped values, sorted by name.
    pub labels: Labels,
    /// The value.
    pub value: f64,
    /// Milliseconds since 1970, where the line carries them.
    pub timestamp: Option<i64>,
    /// Line in the exposition, from 1.
    pub line: usize,
}

/// The type of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, but for restarts.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulative buckets, a sum and a count.
    Histogram,
    /// Quantiles, a sum and a count.
    Summary,
    /// Not declared.
    Untyped,
}

/// Syntax error of an exposition, with its line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Malformed {
    /// Line, from 1.
    pub line: usize,
    /// The error; foreign text in it is quoted and escaped.
    pub what: String,
}

impl Exposition {
    /// The family of this name.
    #[must_use]
    pub fn family(&self, name: &str) -> Option<&Family> {
        self.families.iter().find(|family| family.name == name)
    }

    /// Number of samples.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.families.iter().map(|family| family.samples.len()).sum()
    }

    /// Number of label sets; a histogram or summary with all its samples is one.
    #[must_use]
    pub fn series(&self) -> usize {
        self.families.iter().map(Family::series).sum()
    }
}

impl Family {
    /// Number of label sets; a histogram or summary with all its samples is one.
    #[must_use]
    pub fn series(&self) -> usize {
        match self.kind {
            Kind::Histogram | Kind::Summary => {
                self.samples.iter().filter(|sample| sample.name.ends_with("_count")).count()
            }
            Kind::Counter | Kind::Gauge | Kind::Untyped => self.samples.len(),
        }
    }
}

impl Sample {
    /// The value of a label; an absent label is empty, as it is for Prometheus.
    #[must_use]
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).unwrap_or_default()
    }
}

impl fmt::Display for Sample {
    /// Name and labels as the text format writes them, without the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let mut separator = '{';
        for (label, value) in self.labels.iter() {
            write!(f, "{separator}{label}=\"{}\"", escape_label_value(value))?;
            separator = ',';
        }
        if separator == ',' { f.write_str("}") } else { Ok(()) }
    }
}

/// Reads a whole exposition.
///
/// # Errors
/// The first thing that is wrong, in the order of the lines; families are checked as a whole once all lines are read.
pub fn parse(body: &[u8]) -> Result<Exposition, Malformed> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let line = count_lines(&body[..error.valid_up_to()]);
        Malformed { line, what: "a byte that is not UTF-8".to_owned() }
    })?;
    let mut reader = Reader::default();
    for (index, content) in text.split_inclusive('\n').enumerate() {
        let taken = match content.strip_suffix('\n') {
            Some(content) => reader.take(content, index + 1),
            None => Err("the last line has no line feed: the page may be cut off".to_owned()),
        };
        taken.map_err(|what| Malformed { line: index + 1, what })?;
    }
    for family in &reader.families {
        shape::check(family)?;
    }
    Ok(Exposition { families: reader.families })
}

fn count_lines(body: &[u8]) -> usize {
    1 + memchr::memchr_iter(b'\n', body).count()
}

/// The families read so far; only the last one may still grow.
#[derive(Default)]
struct Reader {
    families: Vec<Family>,
    places: HashMap<String, usize>,
    declared: Option<Kind>,
    seen: HashMap<(Arc<str>, Labels), usize>,
    interner: Interner,
}

impl Reader {
    fn take(&mut self, content: &str, number: usize) -> Result<(), String> {
        match line::read(content)? {
            Line::Nothing => Ok(()),
            Line::Help { name, text } => {
                let family = self.metadata("HELP", name, number)?;
                match &mut family.help {
                    Some(_) => Err(format!("a second HELP for {name}")),
                    vacant @ None => {
                        *vacant = Some(text);
                        Ok(())
                    }
                }
            }
            Line::Type { name, kind } => {
                self.metadata("TYPE", name, number)?.kind = kind;
                match self.declared.replace(kind) {
                    Some(_) => Err(format!("a second TYPE for {name}")),
                    None => Ok(()),
                }
            }
            Line::Sample { name, labels, value, timestamp } => {
                let (name, labels) = (self.interner.text(name), self.interner.labels(labels));
                let sample = Sample { name, labels, value, timestamp, line: number };
                self.sample(sample)
            }
        }
    }

    fn metadata(&mut self, keyword: &str, name: &str, number: usize) -> Result<&mut Family, String> {
        let family = self.open(name, number)?;
        match family.samples.first() {
            Some(first) => Err(format!("{keyword} for {name} after its first sample on line {}", first.line)),
            None => Ok(family),
        }
    }

    fn sample(&mut self, sample: Sample) -> Result<(), String> {
        let identity = sample.labels.identity();
        if let Some(first) = self.seen.insert((sample.name.clone(), identity), sample.line) {
            return Err(format!("the series {} was on line {first} already", quoted(&sample.to_string())));
        }
        let belongs = self.families.last().is_some_and(|family| shape::holds(family, &sample.name));
        let family = match self.families.last_mut() {
            Some(family) if belongs => family,
            _ => self.open_for(&sample)?,
        };
        family.samples.push(sample);
        Ok(())
    }

    /// Opens the family of a sample that the current family does not hold.
    fn open_for(&mut self, sample: &Sample) -> Result<&mut Family, String> {
        let owner = self.owner(&sample.name).unwrap_or(&sample.name);
        let family = self.open(owner, sample.line)?;
        match family.kind {
            Kind::Histogram => {
                Err(format!("{} is a histogram: its samples end in _bucket, _sum or _count", family.name))
            }
            _ => Ok(family),
        }
    }

    /// Name of the family that holds a sample by its suffix.
    fn owner<'s>(&self, sample: &'s str) -> Option<&'s str> {
        for suffix in ["_bucket", "_sum", "_count"] {
            if let Some(name) = sample.strip_suffix(suffix)
                && let Some(place) = self.places.get(name)
                && shape::holds(&self.families[*place], sample)
            {
                return Some(name);
            }
        }
        None
    }

    /// The current family when it has this name, else a new one; an earlier one cannot be taken up again.
    fn open(&mut self, name: &str, number: usize) -> Result<&mut Family, String> {
        if let Some(&place) = self.places.get(name) {
            if place + 1 == self.families.len() {
                return Ok(&mut self.families[place]);
            }
            let first = self.families[place].line;
            return Err(format!(
                "{name} goes on here, but began on line {first}: the lines of a family must stand together"
            ));
        }
        self.places.insert(name.to_owned(), self.families.len());
        self.declared = None;
        self.families.push(Family {
            name: name.to_owned(),
            kind: Kind::Untyped,
            help: None,
            samples: Vec::new(),
            line: number,
        });
        let last = self.families.len() - 1;
        Ok(&mut self.families[last])
    }
}

#[cfg(test)]
mod tests;
