//! Spellings of one text in Unicode: `é` is one character, or `e` and a combining mark. Files of
//! macOS and keyboards differ in it.

use std::borrow::Cow;

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

/// Characters that composition replaces by ASCII: the Kelvin sign, the Greek question mark and the
/// oxia. They stay, because servers tell them apart from ASCII.
const KEPT: [char; 3] = ['\u{212A}', '\u{37E}', '\u{1FEF}'];

/// Returns a text in its composed spelling (NFC, UAX #15).
#[must_use]
pub fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let nfc = ComposingNormalizerBorrowed::new_nfc();
    if !text.contains(KEPT) {
        return nfc.normalize(text);
    }
    let parts = text.split_inclusive(KEPT).map(|part| {
        let kept = part.chars().next_back().filter(|last| KEPT.contains(last));
        let rest = kept
            .and_then(|kept| part.strip_suffix(kept))
            .unwrap_or(part);
        let composed = nfc.normalize(rest);
        composed.chars().chain(kept).collect::<String>()
    });
    Cow::Owned(parts.collect())
}

/// Returns every spelling of a text that clients write: as it is, composed and decomposed.
#[must_use]
pub fn spellings(text: &str) -> Vec<String> {
    let nfd = DecomposingNormalizerBorrowed::new_nfd();
    let mut all = vec![
        text.to_owned(),
        composed(text).into_owned(),
        nfd.normalize(text).into_owned(),
    ];
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_and_its_mark_are_one_letter() {
        for (text, expected) in [
            ("fox", "fox"),
            ("Cafe\u{301}", "Caf\u{e9}"),
            ("Caf\u{e9}", "Caf\u{e9}"),
            ("x\u{302}", "x\u{302}"),
            ("\u{212A}e\u{301}\u{37E}", "\u{212A}\u{e9}\u{37E}"),
        ] {
            assert_eq!(composed(text), expected);
        }
        assert_eq!(spellings("fox"), ["fox"]);
        assert_eq!(spellings("\u{e9}"), ["e\u{301}", "\u{e9}"]);
    }
}
