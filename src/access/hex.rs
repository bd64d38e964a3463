//! 32 bytes as 64 digits. Each value has one form: capitals are not taken, so that what is signed or compared
//! as text can't be written in two ways.

/// How many digits 32 bytes have.
pub(super) const DIGITS: usize = 64;

pub(super) fn encode(bytes: &[u8; 32]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).expect("half a byte is a hex digit");
    // Of its final size from the start: a secret leaves no copies behind where a text grew.
    let mut text = String::with_capacity(DIGITS);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 0x0f));
    }
    text
}

pub(super) fn decode(text: &str) -> Option<[u8; 32]> {
    let digit = |character: u8| match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    };
    if text.len() != DIGITS {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}
