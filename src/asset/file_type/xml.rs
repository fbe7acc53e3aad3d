//! Finds the root element of a document (XML 1.0, 2.8).

/// What stands before the content of a document.
pub struct Prologue<'a> {
    pub root: Root<'a>,
    /// It has an XML declaration or a DOCTYPE.
    pub is_declared: bool,
}

/// The root of a document.
pub enum Root<'a> {
    Element {
        name: &'a str,
        attributes: &'a str,
    },
    /// A DOCTYPE of HTML, whose elements may be left out.
    Html,
    /// The text ends before it.
    Cut,
    /// The text is no markup.
    None,
}

/// Reads up to the first element: white space, processing instructions, comments and a DOCTYPE.
pub fn prologue(text: &str) -> Prologue<'_> {
    let mut rest = text.trim_start();
    let mut is_declared = rest.starts_with("<?xml");
    let root = loop {
        rest = rest.trim_start();
        let after = if let Some(instruction) = rest.strip_prefix("<?") {
            instruction.split_once("?>").map(|(_, after)| after)
        } else if let Some(comment) = rest.strip_prefix("<!--") {
            comment.split_once("-->").map(|(_, after)| after)
        } else if let Some(doctype) = after_word(rest, "<!doctype") {
            is_declared = true;
            let name = doctype.trim_start();
            if after_word(name, "html").is_some_and(|after| !continues_name(after)) {
                break Root::Html;
            }
            after_doctype(doctype)
        } else {
            break element(rest);
        };
        match after {
            Some(after) => rest = after,
            None => break Root::Cut,
        }
    };
    Prologue { root, is_declared }
}

/// Returns what follows a word in any case.
fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (beginning, after) = text.split_at_checked(word.len())?;
    beginning.eq_ignore_ascii_case(word).then_some(after)
}

fn continues_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphanumeric() || "-_.:".contains(c))
}

fn element(text: &str) -> Root<'_> {
    let Some(tag) = text.strip_prefix('<') else {
        return if text.is_empty() {
            Root::Cut
        } else {
            Root::None
        };
    };
    if tag.is_empty() {
        return Root::Cut;
    }
    if !tag.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return Root::None;
    }
    let Some(end) = tag.find(|c: char| c.is_whitespace() || matches!(c, '/' | '>')) else {
        return Root::Cut;
    };
    let (name, rest) = tag.split_at(end);
    Root::Element {
        name,
        attributes: until_unquoted(rest, '>').unwrap_or(rest),
    }
}

/// Returns the text before a character that stands outside quotes.
fn until_unquoted(text: &str, end: char) -> Option<&str> {
    let mut quote = None;
    for (index, c) in text.char_indices() {
        match quote {
            None if c == end => return text.get(..index),
            None if matches!(c, '"' | '\'') => quote = Some(c),
            Some(open) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

/// Returns what follows a DOCTYPE, whose internal subset may hold quotes, comments and `>`.
fn after_doctype(text: &str) -> Option<&str> {
    let (mut rest, mut in_subset) = (text, false);
    loop {
        let next = rest.find(['"', '\'', '[', ']', '>', '<'])?;
        let (_, found) = rest.split_at(next);
        let mut characters = found.chars();
        let mark = characters.next()?;
        let after = characters.as_str();
        rest = match mark {
            '"' | '\'' => after.split_once(mark)?.1,
            '>' if !in_subset => return Some(after),
            '<' if found.starts_with("<!--") => found.split_once("-->")?.1,
            '<' if found.starts_with("<?") => found.split_once("?>")?.1,
            _ => {
                in_subset = match mark {
                    '[' => true,
                    ']' => false,
                    _ => in_subset,
                };
                after
            }
        };
    }
}
