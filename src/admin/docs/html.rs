//! Text in HTML: whatever it says, it stays text.

use std::fmt::Write as _;

/// A page in the making. Text goes through [`Html::text`], markup is written in the source.
#[derive(Default)]
pub struct Html(String);

impl Html {
    /// Markup of ours.
    pub fn raw(&mut self, markup: &'static str) -> &mut Html {
        self.0.push_str(markup);
        self
    }

    pub fn text(&mut self, text: &str) -> &mut Html {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
        self
    }

    /// Text in which `` `words` `` are code, as documentation writes them.
    pub fn prose(&mut self, text: &str) -> &mut Html {
        for (n, part) in text.split('`').enumerate() {
            if n % 2 == 1 {
                self.raw("<code>").text(part).raw("</code>");
            } else {
                self.text(part);
            }
        }
        self
    }

    /// An element around text.
    pub fn element(&mut self, name: &'static str, text: &str) -> &mut Html {
        let _ = write!(self.0, "<{name}>");
        self.prose(text);
        let _ = write!(self.0, "</{name}>");
        self
    }

    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let mut html = Html::default();
        html.element("p", "a <b> & `\"<c>'` d").text("<script>");
        let expected = "<p>a &lt;b&gt; &amp; <code>&quot;&lt;c&gt;&#39;</code> d</p>&lt;script&gt;";
        assert_eq!(html.finish(), expected);
    }
}
