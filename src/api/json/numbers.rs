//! The end of a number or word.

/// Position after a number, `true`, `false` or `null`.
#[inline(always)]
pub(super) fn scalar(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at..)? {
        [b't', b'r', b'u', b'e', ..] | [b'n', b'u', b'l', b'l', ..] => Some(at + 4),
        [b'f', b'a', b'l', b's', b'e', ..] => Some(at + 5),
        _ => after_number(bytes, at),
    }
}

#[inline(always)]
fn after_number(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + usize::from(bytes.get(start) == Some(&b'-'));
    at = if bytes.get(at) == Some(&b'0') { at + 1 } else { after_digits(bytes, at)? };
    if bytes.get(at) == Some(&b'.') {
        at = after_digits(bytes, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let is_signed = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
        at = after_digits(bytes, at + 1 + usize::from(is_signed))?;
    }
    Some(at)
}

/// Position after one or more digits, which are searched eight at a time: embeddings are lists of long numbers.
#[inline(always)]
fn after_digits(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while let Some(eight) = bytes.get(at..)?.first_chunk() {
        let values = u64::from_le_bytes(*eight) ^ u64::from_le_bytes([b'0'; 8]);
        // The highest bit of each byte over 9; a carry comes only from one of these.
        let others =
            (values.wrapping_add(u64::from_le_bytes([0x76; 8])) | values) & u64::from_le_bytes([0x80; 8]);
        if others != 0 {
            at += others.trailing_zeros() as usize / 8;
            return (at > start).then_some(at);
        }
        at += 8;
    }
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    (at > start).then_some(at)
}
