//! How signatures, and the secrets that make them, are written.

use super::scheme::Algorithm;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use smallvec::SmallVec;
use zeroize::Zeroizing;

/// A signature's bytes: 64 are the most that any algorithm here makes.
pub type SignatureBytes = SmallVec<[u8; 64]>;

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Hex,
    Base64,
    Base64Url,
}

/// Two writings of the same bytes would be two deliveries to whoever compares texts, so padding and the last bits must be
/// what an encoder writes.
const BASE64: GeneralPurpose = canonical(&alphabet::STANDARD, DecodePaddingMode::RequireCanonical);
/// Where it stands in a URL's alphabet, many leave the padding out.
const BASE64_URL: GeneralPurpose = canonical(&alphabet::URL_SAFE, DecodePaddingMode::Indifferent);
/// People copy secrets with and without it.
const BASE64_SECRET: GeneralPurpose = canonical(&alphabet::STANDARD, DecodePaddingMode::Indifferent);

const fn canonical(alphabet: &alphabet::Alphabet, padding: DecodePaddingMode) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(false).with_decode_padding_mode(padding);
    GeneralPurpose::new(alphabet, config)
}

impl Encoding {
    pub const NAMES: &'static [&'static str] = &["hex", "base64", "base64url"];

    pub fn named(name: &str) -> Option<Encoding> {
        let all = [Encoding::Hex, Encoding::Base64, Encoding::Base64Url];
        Encoding::NAMES.iter().position(|known| *known == name).map(|at| all[at])
    }

    /// What was written; none of nothing, and of what no encoder writes.
    pub fn decode(self, written: &[u8]) -> Option<SignatureBytes> {
        let decoded: SignatureBytes = match self {
            Encoding::Hex => bytes_of_hex(written)?.collect::<Option<_>>()?,
            Encoding::Base64 => from_base64(&BASE64, written)?,
            Encoding::Base64Url => from_base64(&BASE64_URL, written)?,
        };
        (!decoded.is_empty()).then_some(decoded)
    }

    pub fn encode(self, bytes: &[u8]) -> String {
        match self {
            Encoding::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            Encoding::Base64 => BASE64.encode(bytes),
            Encoding::Base64Url => BASE64_URL.encode(bytes).trim_end_matches('=').to_owned(),
        }
    }
}

/// How a secret is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretEncoding {
    /// The bytes themselves.
    Text,
    Hex,
    Base64,
}

impl SecretEncoding {
    pub const NAMES: &'static [&'static str] = &["text", "hex", "base64"];

    pub fn named(name: &str) -> Option<SecretEncoding> {
        let all = [SecretEncoding::Text, SecretEncoding::Hex, SecretEncoding::Base64];
        SecretEncoding::NAMES.iter().position(|known| *known == name).map(|at| all[at])
    }

    /// Where nothing is said: public keys are no text.
    pub fn usual(algorithm: Algorithm) -> SecretEncoding {
        if algorithm == Algorithm::Ed25519 { SecretEncoding::Hex } else { SecretEncoding::Text }
    }

    /// Errors say what is wrong, and nothing of the secret.
    pub fn decode(self, written: &[u8]) -> Result<Zeroizing<Vec<u8>>, &'static str> {
        match self {
            SecretEncoding::Text => Ok(Zeroizing::new(written.to_vec())),
            SecretEncoding::Hex => {
                const WRONG: &str = "it is not hexadecimal";
                // Of its size from the start, so that no half of it stays behind in memory.
                let mut bytes = Zeroizing::new(Vec::with_capacity(written.len() / 2));
                for byte in bytes_of_hex(written).ok_or(WRONG)? {
                    bytes.push(byte.ok_or(WRONG)?);
                }
                Ok(bytes)
            }
            SecretEncoding::Base64 => BASE64_SECRET.decode(written).map(Zeroizing::new).map_err(|_| "it is not base64"),
        }
    }
}

/// Each byte, or none of two that are no digits; nothing of an odd number of them.
fn bytes_of_hex(written: &[u8]) -> Option<impl Iterator<Item = Option<u8>>> {
    let (pairs, []) = written.as_chunks::<2>() else { return None };
    let digit = |byte: u8| (byte as char).to_digit(16);
    Some(pairs.iter().map(move |[high, low]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()))
}

fn from_base64(engine: &GeneralPurpose, written: &[u8]) -> Option<SignatureBytes> {
    let mut decoded = SignatureBytes::from_elem(0, base64::decoded_len_estimate(written.len()));
    let length = engine.decode_slice(written, &mut decoded).ok()?;
    decoded.truncate(length);
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_an_encoder_writes_is_read() {
        let read = |encoding: Encoding, text: &str| encoding.decode(text.as_bytes()).map(|bytes| bytes.to_vec());
        assert_eq!(read(Encoding::Hex, "00fF"), Some(vec![0, 255]), "in either case");
        for wrong in ["", "0", "0g", "0x00", " 00", "00 ", "00:00", "+1", "é0"] {
            assert_eq!(read(Encoding::Hex, wrong), None, "{wrong}");
        }
        assert_eq!(read(Encoding::Base64, "+/8="), Some(vec![0xfb, 0xff]));
        for wrong in ["", "=", "+/8", "+/9=", "-_8=", "+/8==", " +/8=", "+/8=\n", "+/8=+/8="] {
            assert_eq!(read(Encoding::Base64, wrong), None, "{wrong}");
        }
        for right in ["-_8", "-_8="] {
            assert_eq!(read(Encoding::Base64Url, right), Some(vec![0xfb, 0xff]), "{right}");
        }
        for wrong in ["", "-_9", "+/8", "-_8==", "-_8 "] {
            assert_eq!(read(Encoding::Base64Url, wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes in proptest::collection::vec(any::<u8>(), 1..100)) {
            for name in Encoding::NAMES {
                let encoding = Encoding::named(name).unwrap();
                let written = encoding.encode(&bytes);
                prop_assert_eq!(&encoding.decode(written.as_bytes()).unwrap()[..], &bytes[..]);
            }
        }

        #[test]
        fn whatever_is_written_is_no_reason_to_panic(written in proptest::collection::vec(any::<u8>(), 0..200)) {
            for name in Encoding::NAMES {
                let encoding = Encoding::named(name).unwrap();
                if let Some(bytes) = encoding.decode(&written) {
                    let again = encoding.encode(&bytes);
                    prop_assert_eq!(again.to_lowercase(), String::from_utf8_lossy(&written).trim_end_matches(
                        |c| encoding == Encoding::Base64Url && c == '=').to_lowercase());
                }
            }
        }
    }
}
