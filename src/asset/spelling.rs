//! Spellings of one text in Unicode: `é` is one character, or `e` and a combining mark. Files of
//! macOS and keyboards differ in it.

use std::{borrow::Cow, collections::HashSet, sync::LazyLock};

use icu_normalizer::{
    ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed,
    properties::CanonicalCombiningClassMapBorrowed,
};

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

/// Whether every spelling of a text with this character has the character itself, and the character
/// has no case outside ASCII. Marks are not: their order may differ.
#[must_use]
pub fn has_one_spelling(c: char) -> bool {
    /// Where characters are whose composed spelling is another one (UAX #15, 1.2 and 5).
    const OTHERWISE_COMPOSED: [std::ops::RangeInclusive<char>; 4] = [
        '\u{80}'..='\u{33FF}',
        '\u{F900}'..='\u{FFFD}',
        '\u{1D100}'..='\u{1D1FF}',
        '\u{2F800}'..='\u{2FA1F}',
    ];
    /// The characters that such a composed spelling has.
    static RESPELLED: LazyLock<HashSet<char>> = LazyLock::new(|| {
        let nfc = ComposingNormalizerBorrowed::new_nfc();
        let mut respelled = HashSet::new();
        for c in OTHERWISE_COMPOSED.into_iter().flatten() {
            let text = c.to_string();
            let composed = nfc.normalize(&text);
            if composed != text {
                respelled.extend(composed.chars());
            }
        }
        respelled
    });
    if c.is_ascii() {
        return true;
    }
    let text = c.to_string();
    let is_caseless = c.to_lowercase().eq([c]) && c.to_uppercase().eq([c]);
    is_caseless
        && DecomposingNormalizerBorrowed::new_nfd().normalize(&text) == text
        && CanonicalCombiningClassMapBorrowed::new().get_u8(c) == 0
        && !RESPELLED.contains(&c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_characters_that_no_spelling_replaces_have_one_spelling() {
        for c in ['a', 'k', '日', '本', 'か', 'ー', '和'] {
            assert!(has_one_spelling(c), "{c}");
        }
        // Cased; composed of others; composed from a twin; a mark; never composed with its mark.
        for c in [
            'é', 'д', 'が', '한', '豈', '\u{8C48}', '\u{301}', 'क', 'Å', 'ς',
        ] {
            assert!(!has_one_spelling(c), "{c}");
        }
    }

    proptest! {
        #[test]
        fn every_spelling_has_the_pieces_of_one_spelling(
            text in "(\\PC|[あ-ん\u{3099}\u{F900}-\u{FAFF}日本豈क\u{93C}\u{958}]){0,12}",
        ) {
            for piece in composed(&text).split(|c| !has_one_spelling(c)) {
                for spelling in spellings(&text) {
                    prop_assert!(spelling.contains(piece), "{piece:?} in {spelling:?}");
                }
            }
        }
    }

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
