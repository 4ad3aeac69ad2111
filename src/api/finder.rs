//! Finds one member of a JSON object that passes in parts, and keeps nothing else of it; of an array only whether it
//! came to its end.

use memchr::memchr2;

/// Byte order mark that may precede the JSON, in UTF-8.
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
/// Longest value that is kept.
const MAX_VALUE: usize = 4 << 10;

/// See the module. What passes need not be JSON; then nothing is found.
#[derive(Debug)]
pub struct Finder {
    /// Names that lead to the member, from the top.
    path: &'static [&'static str],
    /// The objects of a list at the top are searched as if each stood there alone.
    in_elements: bool,
    /// Levels open around the searched object's own: that list, or nothing.
    base: usize,
    /// Objects and arrays that are open.
    depth: usize,
    /// Number of names of the path that lead to the searched object.
    on_path: usize,
    state: State,
    /// In the searched object: what comes next.
    place: Place,
    in_string: bool,
    escaped: bool,
    name: Vec<u8>,
    value: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Before,
    Inside,
    Over,
    InvalidResponse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Name,
    /// Of a member that is of no interest.
    Value,
    /// Of the next member on the path.
    OnPath,
    /// Of the member that is looked for.
    Wanted,
}

impl Finder {
    /// Looks for the member at the end of a path of names.
    #[must_use]
    pub fn new(path: &'static [&'static str]) -> Self {
        Self {
            path,
            in_elements: false,
            base: 0,
            depth: 0,
            on_path: 0,
            state: State::Before,
            place: Place::Name,
            in_string: false,
            escaped: false,
            name: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Looks for it in the objects of a list too, the last of which counts.
    #[must_use]
    pub fn in_elements(self) -> Self {
        Self { in_elements: true, ..self }
    }

    /// The member's value, where the object was whole; of duplicate members the last one.
    #[must_use]
    pub fn found(&self) -> Option<&str> {
        let kept = self.state == State::Over && (1..=MAX_VALUE).contains(&self.value.len());
        if kept { std::str::from_utf8(&self.value).ok() } else { None }
    }

    /// Returns true if an object or array has not come to its end.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        matches!(self.state, State::Before | State::Inside)
    }

    /// Reads the next part.
    pub fn read(&mut self, mut bytes: &[u8]) {
        while let Some(&byte) = bytes.first() {
            match self.state {
                State::Over | State::InvalidResponse => return,
                State::Before if byte.is_ascii_whitespace() || BYTE_ORDER_MARK.contains(&byte) => {
                    bytes = &bytes[1..];
                }
                State::Before => {
                    self.state =
                        if matches!(byte, b'{' | b'[') { State::Inside } else { State::InvalidResponse };
                    self.base = usize::from(self.in_elements && byte == b'[');
                    self.depth = 1;
                    bytes = &bytes[1..];
                }
                State::Inside if self.in_string => bytes = self.read_string(bytes),
                State::Inside => bytes = self.read_structure(bytes),
            }
        }
    }

    fn is_searched(&self) -> bool {
        self.depth == self.base + self.on_path + 1
    }

    /// Reads on in a string, up to its end.
    fn read_string<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let length = if std::mem::take(&mut self.escaped) {
            1
        } else {
            match memchr2(b'"', b'\\', bytes) {
                Some(at) => {
                    self.escaped = bytes[at] == b'\\';
                    self.in_string = self.escaped;
                    at + 1
                }
                None => bytes.len(),
            }
        };
        let (part, rest) = bytes.split_at(length);
        match self.place {
            Place::Name if self.is_searched() => keep(&mut self.name, part),
            Place::Wanted => keep(&mut self.value, part),
            _ => {}
        }
        rest
    }

    /// Reads on outside of strings, through the next byte that matters.
    fn read_structure<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let searched = self.is_searched();
        let matters = |byte: &u8| match byte {
            b'"' | b'{' | b'}' | b'[' | b']' => true,
            b':' | b',' => searched,
            _ => false,
        };
        let Some(at) = bytes.iter().position(matters) else {
            self.keep_value(bytes);
            return &[];
        };
        let (byte, ends) = (bytes[at], searched && matches!(bytes[at], b',' | b'}' | b']'));
        self.keep_value(&bytes[..at + usize::from(!ends)]);
        match byte {
            b'"' => {
                self.in_string = true;
                if searched && self.place == Place::Name {
                    self.name.clear();
                }
            }
            b':' => self.begin_value(),
            b',' => self.place = Place::Name,
            b'{' | b'[' => self.open(byte),
            _ => self.close(),
        }
        &bytes[at + 1..]
    }

    fn begin_value(&mut self) {
        // The name was kept with the quote that ends it.
        let is_next = self.name.strip_suffix(b"\"") == Some(self.path[self.on_path].as_bytes());
        self.place = match (is_next, self.on_path + 1 == self.path.len()) {
            (false, _) => Place::Value,
            (true, false) => Place::OnPath,
            (true, true) => Place::Wanted,
        };
        if self.place == Place::Wanted {
            self.value.clear();
        }
    }

    fn open(&mut self, byte: u8) {
        if self.is_searched() && self.place == Place::OnPath && byte == b'{' {
            self.on_path += 1;
            self.place = Place::Name;
        } else if self.depth == self.base {
            self.place = if byte == b'{' { Place::Name } else { Place::Value };
        }
        self.depth += 1;
    }

    fn close(&mut self) {
        self.depth -= 1;
        if self.depth == 0 {
            self.state = State::Over;
        } else if self.depth == self.base + self.on_path {
            self.on_path = self.on_path.saturating_sub(1);
            self.place = Place::Value;
        }
    }

    fn keep_value(&mut self, part: &[u8]) {
        if self.place == Place::Wanted {
            keep(&mut self.value, part);
        }
    }
}

/// Keeps a part, and of what is too long only that it is.
fn keep(kept: &mut Vec<u8>, part: &[u8]) {
    let room = (MAX_VALUE + 1).saturating_sub(kept.len());
    kept.extend_from_slice(&part[..part.len().min(room)]);
}
