//! What is signed, put together piece by piece: by whoever verifies, and by whoever signs.

use super::claim::Addressed;
use super::form::{self, Unsigned};
use super::url;
use crate::model::webhook::{Part, Scheme};
use http::HeaderValue;
use smallvec::{SmallVec, smallvec};

/// What the pieces are taken from.
pub(super) struct Signable<'m> {
    pub addressed: &'m Addressed<'m>,
    pub public_url: Option<&'m str>,
    pub timestamp: Option<&'m [u8]>,
    pub id: Option<&'m [u8]>,
    pub content_type: Option<&'m HeaderValue>,
    /// Raw, as it came.
    pub body: &'m [u8],
}

/// What had to be made; the rest is lent.
pub(super) struct Made {
    /// In every form that the sender may have called it by: the one that we know first.
    urls: SmallVec<[String; 2]>,
    form: Vec<u8>,
}

pub(super) type Pieces<'m> = SmallVec<[&'m [u8]; 8]>;

impl Made {
    pub fn of(scheme: &Scheme, signable: &Signable<'_>) -> Result<Made, Unsigned> {
        let signs = |part| scheme.signed.contains(&part);
        let query = signable.addressed.uri.query();
        let (form, by_twilio) = match signs(Part::SortedForm) {
            true => (form::signed(signable.content_type, query, signable.body)?, true),
            false => (Vec::new(), false),
        };
        let urls = match signs(Part::Url) {
            true => {
                let url = url::called(signable.addressed, signable.public_url);
                if by_twilio { SmallVec::from(url::with_and_without_port(url)) } else { smallvec![url] }
            }
            false => smallvec![String::new()],
        };
        Ok(Made { urls, form })
    }

    /// What is signed, once for each form of the URL. Nothing where a piece is wanted that is not there: nobody can have
    /// signed it.
    pub fn messages<'m>(&'m self, scheme: &'m Scheme, signable: &'m Signable<'_>) -> impl Iterator<Item = Pieces<'m>> {
        self.urls
            .iter()
            .filter_map(move |url| scheme.signed.iter().map(|part| self.piece(part, signable, url)).collect())
    }

    fn piece<'m>(&'m self, part: &'m Part, signable: &'m Signable<'_>, url: &'m str) -> Option<&'m [u8]> {
        Some(match part {
            Part::Text(text) => text.as_bytes(),
            Part::Timestamp => signable.timestamp?,
            Part::Id => signable.id?,
            Part::Body => signable.body,
            Part::Method => signable.addressed.method.as_str().as_bytes(),
            Part::Url => url.as_bytes(),
            Part::Path => url::path(signable.addressed).as_bytes(),
            Part::SortedForm => &self.form,
        })
    }
}
