//! Hazard 21: every request that is sent on says that it came through here (RFC 9110, section 7.6.3), so that one which
//! comes back is known.

use crate::model::Fields;
use http::Version;
use http::header::{HeaderValue, VIA};

/// One process's mark.
#[derive(Debug)]
pub struct Via {
    pseudonym: String,
    by_version: [HeaderValue; 3],
}

impl Via {
    /// `random` tells processes apart: another gateway's mark is no loop.
    pub fn new(random: [u8; 8]) -> Via {
        let pseudonym = format!("keystile-{:016x}", u64::from_be_bytes(random));
        let line = |version: &str| {
            HeaderValue::try_from(format!("{version} {pseudonym}")).unwrap_or(HeaderValue::from_static("1.1 keystile"))
        };
        Via { by_version: [line("1.0"), line("1.1"), line("2")], pseudonym }
    }

    /// Whether a request has been sent on by this very process.
    pub fn has_marked(&self, fields: &Fields) -> bool {
        let mine = self.pseudonym.as_bytes();
        fields.get_all(VIA).any(|line| line.as_bytes().windows(mine.len()).any(|part| part == mine))
    }

    /// Marks a request that came over `version`, behind the marks of others.
    pub fn mark(&self, fields: &mut Fields, version: Version) {
        let line = match version {
            Version::HTTP_10 => &self.by_version[0],
            Version::HTTP_2 => &self.by_version[2],
            _ => &self.by_version[1],
        };
        fields.append(VIA, line.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hazard_21_a_process_knows_its_own_mark_and_no_other() {
        let (here, there) = (Via::new([1; 8]), Via::new([2; 8]));
        let mut fields = Fields::new();
        assert!(!here.has_marked(&fields));
        fields.append(VIA, HeaderValue::from_static("1.1 proxy.example, 1.0 fred (keystile)"));
        there.mark(&mut fields, Version::HTTP_2);
        assert!(!here.has_marked(&fields) && there.has_marked(&fields));
        here.mark(&mut fields, Version::HTTP_11);
        assert!(here.has_marked(&fields));
        let lines: Vec<_> = fields.get_all(VIA).collect();
        assert_eq!(lines[1..], ["2 keystile-0202020202020202", "1.1 keystile-0101010101010101"]);
        // A proxy in between may join the lines.
        let joined = lines.iter().map(|l| l.to_str().unwrap()).collect::<Vec<_>>().join(", ");
        let mut other = Fields::new();
        other.insert(VIA, HeaderValue::try_from(joined).unwrap());
        assert!(here.has_marked(&other));
    }
}
