//! C12: a secret that an upstream says back does not reach the caller.
//!
//! A [`Needle`] knows every form in which a secret is looked for; a [`Scrubber`] puts `*` in their place while a text
//! streams by. What is found depends on the text alone, never on how it was cut into pieces; every replacement is as
//! long as what it replaces, so that lengths stand.
//!
//! The forms of the *whole* secret:
//!
//! - its bytes, each of them raw or as `%XX`, JSON's `\u00XX`, `\/`, `\"`, `\\`, or (if it is no letter or digit) HTML's
//!   `&amp;`, `&#38;`, `&#x26;`, in any mixture; characters beyond ASCII also as JSON's `\uXXXX`;
//! - hex, each digit in either case;
//! - base64, standard and URL-safe, at its three alignments: the characters that the secret alone decides. Those at its
//!   ends that mix with a neighbour (four bits of it at most) are left. What is no letter or digit may be escaped as above.
//!
//! Not looked for: parts of a secret, an escape of an escape (`%252F`), base64 broken into lines, other character sets
//! (UTF-16), other transformations.

mod beginnings;
mod escapes;
mod form;
mod needle;
mod scrubber;
#[cfg(test)]
mod tests;

pub use needle::{LEAST, Needle, NeedleId, Needles};
pub use scrubber::Scrubber;
