//! One form of a secret, and whether a text begins with it.

use super::escapes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use smallvec::{SmallVec, smallvec};
use zeroize::Zeroizing;

/// A secret as it may be written.
pub struct Form {
    /// What may stand at each place: two bytes where case or alphabet are open, else the same one twice.
    places: Zeroizing<Vec<[u8; 2]>>,
    /// Whether letters and digits may be escaped as well.
    any_escaped: bool,
}

/// What a text is, beside a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// It begins with the form, which is so many bytes long.
    Match(usize),
    /// It ends while it could still become the form.
    Unfinished,
    /// It does not begin with the form.
    Other,
}

impl Form {
    /// The secret itself, each byte of it raw or escaped.
    pub fn plain(secret: &[u8]) -> Form {
        Form { places: places(secret.iter().map(|b| [*b; 2])), any_escaped: true }
    }

    pub fn hex(secret: &[u8]) -> Form {
        let nibbles = secret.iter().flat_map(|b| [b >> 4, b & 15]);
        let both_cases = nibbles.map(|nibble| match escapes::digits(nibble) {
            [lower, upper] => [*lower, *upper],
            digit => [digit.first().copied().unwrap_or_default(); 2],
        });
        Form { places: places(both_cases), any_escaped: false }
    }

    /// Base64 where `before` bytes (modulo 3) come before the secret: the characters that the secret alone decides.
    pub fn base64(secret: &[u8], before: usize) -> Form {
        let text = Zeroizing::new([&[0; 2][..before % 3], secret].concat());
        let encoded = Zeroizing::new(STANDARD_NO_PAD.encode(&text[..]).into_bytes());
        let decided = (before % 3 * 8).div_ceil(6)..text.len() * 8 / 6;
        let both_alphabets = encoded.get(decided).unwrap_or_default().iter().map(|c| match c {
            b'+' => *b"+-",
            b'/' => *b"/_",
            other => [*other; 2],
        });
        Form { places: places(both_alphabets), any_escaped: false }
    }

    pub fn places(&self) -> usize {
        self.places.len()
    }

    /// The bytes that may stand at `place` as they are.
    pub fn raw(&self, place: usize) -> [u8; 2] {
        self.places.get(place).copied().unwrap_or_default()
    }

    /// Calls `each` with every escape that begins with `introduction` and may stand at `place`, and how many places it
    /// covers.
    pub fn escapes(&self, place: usize, introduction: u8, mut each: impl FnMut(&[u8], usize)) {
        let [one, other] = self.raw(place);
        for byte in [Some(one), (other != one).then_some(other)].into_iter().flatten() {
            if self.any_escaped || !byte.is_ascii_alphanumeric() {
                escapes::of_byte(byte, introduction, |escape| each(escape, 1));
            }
        }
        if !one.is_ascii()
            && introduction == b'\\'
            && let Some(character) = self.character(place)
        {
            escapes::of_char(character, |escape| each(escape, character.len_utf8()));
        }
    }

    /// The character of several bytes that begins at `place`, if the secret is UTF-8 there.
    fn character(&self, place: usize) -> Option<char> {
        let bytes: SmallVec<[u8; 4]> = self.places.get(place..)?.iter().take(4).map(|[byte, _]| *byte).collect();
        bytes.utf8_chunks().next()?.valid().chars().next()
    }

    /// Reads `text` from its beginning. `folded`: it was made lower case on its way, as the names of fields are.
    ///
    /// Where the secret holds `%`, `\` or `&` itself, what stands there can be read in two ways: both are followed. The
    /// first end counts, so what comes later changes nothing.
    pub fn read(&self, text: &[u8], folded: bool) -> Reading {
        let same = self.as_it_is(text);
        let mut ways: Ways = smallvec![(same, same)];
        let mut unfinished = false;
        while let Some((at, place)) = least(&mut ways) {
            if place == self.places.len() {
                return Reading::Match(at);
            }
            let Some(&next) = text.get(at) else {
                unfinished = true;
                continue;
            };
            let raw = self.raw(place);
            if raw.contains(&next) || folded && raw.iter().any(|b| b.eq_ignore_ascii_case(&next)) {
                follow(&mut ways, (at + 1, place + 1));
            }
            if escapes::INTRODUCTIONS.contains(&next) {
                let rest = text.get(at..).unwrap_or_default();
                self.escapes(place, next, |escape, covers| {
                    if rest.starts_with(escape) {
                        follow(&mut ways, (at + escape.len(), place + covers));
                    } else if escape.starts_with(rest) {
                        unfinished = true;
                    }
                });
            }
        }
        if unfinished { Reading::Unfinished } else { Reading::Other }
    }
}

impl Form {
    /// How far `text` is the form without anything that could be an escape: nearly always, that is all there is to see.
    fn as_it_is(&self, text: &[u8]) -> usize {
        let same = |(byte, raw): &(&u8, &[u8; 2])| raw.contains(byte) && !escapes::INTRODUCTIONS.contains(byte);
        text.iter().zip(self.places.iter()).take_while(same).count()
    }

    /// Whether the form may begin with `byte`.
    pub fn may_begin_with(&self, byte: u8) -> bool {
        let raw = self.raw(0);
        let escaped = self.any_escaped || !raw.iter().all(u8::is_ascii_alphanumeric);
        raw.contains(&byte) || escaped && escapes::INTRODUCTIONS.contains(&byte)
    }
}

/// The ways a text was read so far: where in the text, and where in the form. Nearly always one.
type Ways = SmallVec<[(usize, usize); 4]>;

/// Takes the way that has come least far in the text.
fn least(ways: &mut Ways) -> Option<(usize, usize)> {
    if ways.len() < 2 {
        return ways.pop();
    }
    let (index, _) = ways.iter().enumerate().min_by_key(|(_, way)| **way)?;
    Some(ways.swap_remove(index))
}

fn follow(ways: &mut Ways, way: (usize, usize)) {
    if !ways.contains(&way) {
        ways.push(way);
    }
}

/// Collected without growing, which would leave copies behind.
fn places(all: impl Iterator<Item = [u8; 2]> + Clone) -> Zeroizing<Vec<[u8; 2]>> {
    let mut places = Zeroizing::new(Vec::with_capacity(all.clone().count()));
    places.extend(all);
    places
}
