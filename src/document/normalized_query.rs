//! What in a document's text decides whether it is valid, and what does not.
//!
//! Many clients write values into their documents instead of variables, or name each operation anew.
//! Such texts differ in *free words* alone: the operation's name, aliases, short integers and plain
//! strings in arguments. Whether a document is valid does not depend on them, as long as no two
//! fields of one place have one key. So a document that is known is filled with the free words of
//! another text of the same *shape*, rather than that text being parsed and validated.
//!
//! Whatever is out of the ordinary (fragments with names, several operations, escapes, block
//! strings) has no shape, and is read as a whole.

use std::collections::HashSet;

use async_graphql::{
    Name, Pos, Positioned,
    parser::types::{DocumentOperations, ExecutableDocument, Selection, SelectionSet},
};
use async_graphql_value::Value;

/// Digits of an integer that fits every type it may stand for (GraphQL `Int` has 32 bits).
const DIGITS: usize = 9;
/// The largest of them.
const LARGEST: i64 = 999_999_999;

/// A text's words.
pub struct NormalizedQuery<'a> {
    /// What decides, in few bytes: equal for texts that differ in free words, comments and spaces.
    pub shape: Vec<u8>,
    free: Vec<&'a str>,
}

/// Stand in a shape for free words. No token has such bytes.
const NAME: u8 = 1;
const ALIAS: u8 = 2;
const INT: u8 = 3;
const TEXT: u8 = 4;
/// Begins a string that decides.
const FIXED: u8 = 5;
/// Ends each word of a shape.
const END: u8 = 0;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Name,
    Int,
    /// Without its quotes.
    Text,
    Other,
}

impl<'a> NormalizedQuery<'a> {
    /// Takes a text apart, in one pass; `None`: it has no shape.
    pub fn of(text: &'a str) -> Option<Self> {
        let tokens = tokens(text)?;
        let mut shape = Vec::with_capacity(text.len());
        let mut free = Vec::new();
        let (mut braces, mut brackets) = (0_usize, 0_usize);
        let mut operations = 0;
        for (at, (kind, word)) in tokens.iter().copied().enumerate() {
            let next = tokens.get(at + 1).map(|(_, word)| *word);
            let before = at.checked_sub(1).and_then(|at| tokens.get(at));
            let is_arguments = brackets > 0;
            let stands_for = match kind {
                // Types and defaults of variables decide.
                _ if braces == 0 => {
                    let is_operation = before.is_none() && kind == Kind::Name;
                    if is_operation && word == "fragment" {
                        return None;
                    }
                    let names = matches!(before, Some((Kind::Name, _))) && at == 1;
                    (kind == Kind::Name && names).then_some(NAME)
                }
                Kind::Name if !is_arguments && next == Some(":") => Some(ALIAS),
                Kind::Int if is_arguments => Some(INT),
                Kind::Text if is_arguments => Some(TEXT),
                _ => None,
            };
            if let Some(mark) = stands_for {
                shape.push(mark);
                free.push(word);
            } else {
                if kind == Kind::Text {
                    shape.push(FIXED);
                }
                shape.extend(word.as_bytes());
                shape.push(END);
            }
            if kind == Kind::Other {
                match word {
                    "(" => brackets += 1,
                    ")" => brackets = brackets.checked_sub(1)?,
                    "{" if !is_arguments => {
                        operations += usize::from(braces == 0);
                        braces += 1;
                    }
                    "}" if !is_arguments => braces = braces.checked_sub(1)?,
                    _ => {}
                }
            }
        }
        (operations == 1 && braces == 0 && brackets == 0).then_some(Self { shape, free })
    }

    /// Fills a document of the same shape with these words; `None` where two fields of one place
    /// have one key, or the document is of another shape.
    pub fn bind(self, document: &ExecutableDocument) -> Option<ExecutableDocument> {
        let mut filled = document.clone();
        let mut free = self.free.into_iter();
        let set = match &mut filled.operations {
            DocumentOperations::Single(own) => &mut own.node.selection_set.node,
            DocumentOperations::Multiple(all) => {
                let name = Name::new(free.next()?);
                let (_, own) = all.drain().next()?;
                all.insert(name.clone(), own);
                &mut all.get_mut(&name)?.node.selection_set.node
            }
        };
        fill_set(set, &mut free)?;
        let has_all = free.next().is_none() && keys_differ(set);
        has_all.then_some(filled)
    }
}

/// Whether no two fields of one place have one key: such are compared by the rules, and made one.
pub fn keys_differ_in(document: &ExecutableDocument) -> bool {
    let mut all = document.operations.iter();
    all.all(|(_, own)| keys_differ(&own.node.selection_set.node))
}

fn keys_differ(set: &SelectionSet) -> bool {
    fn collect<'a>(set: &'a SelectionSet, keys: &mut HashSet<&'a str>) -> bool {
        set.items.iter().all(|selection| match &selection.node {
            Selection::Field(field) => {
                let own = &field.node;
                let key = own.alias.as_ref().unwrap_or(&own.name);
                keys.insert(key.node.as_str()) && keys_differ(&own.selection_set.node)
            }
            Selection::InlineFragment(own) => collect(&own.node.selection_set.node, keys),
            Selection::FragmentSpread(_) => false,
        })
    }
    set.items.is_empty() || collect(set, &mut HashSet::new())
}

fn fill_set<'a>(set: &mut SelectionSet, free: &mut impl Iterator<Item = &'a str>) -> Option<()> {
    for selection in &mut set.items {
        let (directives, set) = match &mut selection.node {
            Selection::Field(field) => {
                let own = &mut field.node;
                if let Some(alias) = &mut own.alias {
                    alias.node = Name::new(free.next()?);
                }
                for (_, value) in &mut own.arguments {
                    fill_value(&mut value.node, free)?;
                }
                (&mut own.directives, &mut own.selection_set)
            }
            Selection::InlineFragment(own) => {
                (&mut own.node.directives, &mut own.node.selection_set)
            }
            Selection::FragmentSpread(_) => return None,
        };
        for directive in directives {
            for (_, value) in &mut directive.node.arguments {
                fill_value(&mut value.node, free)?;
            }
        }
        fill_set(&mut set.node, free)?;
    }
    Some(())
}

fn fill_value<'a>(value: &mut Value, free: &mut impl Iterator<Item = &'a str>) -> Option<()> {
    match value {
        Value::String(text) => free.next()?.clone_into(text),
        Value::Number(number) => {
            // Others are in the shape as they are.
            let is_free = number.as_i64().is_some_and(|own| own.abs() <= LARGEST);
            if is_free {
                *number = free.next()?.parse::<i64>().ok()?.into();
            }
        }
        Value::List(items) => {
            for item in items {
                fill_value(item, free)?;
            }
        }
        Value::Object(fields) => {
            for item in fields.values_mut() {
                fill_value(item, free)?;
            }
        }
        _ => {}
    }
    Some(())
}

/// Where the fields and the values of a document's operations stand, in their order.
pub fn positions(document: &ExecutableDocument) -> Vec<Pos> {
    fn in_set(set: &SelectionSet, all: &mut Vec<Pos>) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    all.push(field.pos);
                    all.extend(field.node.arguments.iter().map(|(_, value)| value.pos));
                    in_set(&field.node.selection_set.node, all);
                }
                Selection::InlineFragment(own) => in_set(&own.node.selection_set.node, all),
                Selection::FragmentSpread(_) => {}
            }
        }
    }
    let mut all = Vec::new();
    for (_, Positioned { node, .. }) in document.operations.iter() {
        in_set(&node.selection_set.node, &mut all);
    }
    all
}

/// The tokens of a text of ordinary words (GraphQL, September 2025, 2.1); `None`: some are not.
fn tokens(text: &str) -> Option<Vec<(Kind, &str)>> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::with_capacity(text.len() / 4);
    let mut at = 0;
    while let Some(first) = bytes.get(at).copied() {
        let while_is = |begin: usize, is: fn(u8) -> bool| {
            let rest = bytes.get(begin..).unwrap_or_default();
            begin + rest.iter().take_while(|byte| is(**byte)).count()
        };
        let begin = at;
        let kind = match first {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => {
                at += 1;
                continue;
            }
            b'#' => {
                // The engine reads `... on # …` as a fragment that is named so.
                if matches!(tokens.last(), Some((Kind::Name, "on"))) {
                    return None;
                }
                at = while_is(at, |byte| byte != b'\n' && byte != b'\r');
                continue;
            }
            b'"' => {
                let end = while_is(at + 1, |byte| byte != b'"' && byte != b'\\' && byte >= b' ');
                // A block string begins with two more quotes.
                let is_plain =
                    bytes.get(end) == Some(&b'"') && bytes.get(at + 1..at + 3) != Some(b"\"\"");
                tokens.push((Kind::Text, text.get(at + 1..end).filter(|_| is_plain)?));
                at = end + 1;
                continue;
            }
            // One below zero decides: some types have none.
            b'0'..=b'9' => {
                let digits = at;
                at = while_is(digits, |byte| byte.is_ascii_digit());
                let goes_on = while_is(at, |byte| byte == b'.' || is_word(byte)) > at;
                let has_zero = first == b'0' && at > digits + 1;
                if goes_on || has_zero || at - digits > DIGITS {
                    return None;
                }
                Kind::Int
            }
            byte if is_word(byte) => {
                at = while_is(at, is_word);
                Kind::Name
            }
            b'.' if bytes.get(at..at + 3) == Some(b"...") => {
                at += 3;
                Kind::Other
            }
            b'!' | b'$' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{' | b'|'
            | b'}' => {
                at += 1;
                Kind::Other
            }
            _ => return None,
        };
        tokens.push((kind, text.get(begin..at)?));
    }
    Some(tokens)
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn shape(text: &str) -> Option<Vec<u8>> {
        NormalizedQuery::of(text).map(|words| words.shape)
    }

    /// The second text, read as the first filled with its words.
    fn filled(known: &str, text: &str) -> Option<String> {
        assert_eq!(shape(known), shape(text), "{known} | {text}");
        let known = parse_query(known).expect("GraphQL");
        let own = NormalizedQuery::of(text)?.bind(&known)?;
        Some(plain(&own))
    }

    /// A document without its positions.
    fn plain(document: &ExecutableDocument) -> String {
        let text = format!("{document:?}");
        let mut parts = text.split("Pos(");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |all, part| {
            all + part.split_once(')').map_or("", |own| own.1)
        })
    }

    #[test]
    fn free_words_are_the_only_difference_between_texts_of_a_shape() {
        for (known, text) in [
            ("{a}", "# why\n{ a, }"),
            ("query A{a}", "query B { a # b\n }"),
            ("{x:a(n:1)}", "{ y : a(n: 25) }"),
            ("{a(s:\"\")}", "{a(s:\"€ {}()#,:\")}"),
            (
                "query A($v:Int=5){a(in:{n:[1,2],s:\"x\",e:ENUM,v:$v}) @skip(if:true){b:c(n:3)}}",
                "query B($v:Int=5){a(in:{n:[7,999999999],s:\"y\",e:ENUM,v:$v})@skip(if:true){q:c(n:0)}}",
            ),
            (
                "{node(id:\"a\"){... on Asset @include(if:$i){id}}}",
                "{node(id:\"b\"){...on Asset@include(if:$i){id}}}",
            ),
            (
                "mutation M{a:b(x:1) c:d(x:1)}",
                "mutation N{c:b(x:2) a:d(x:3)}",
            ),
        ] {
            let right = plain(&parse_query(text).expect("GraphQL"));
            assert_eq!(filled(known, text), Some(right), "{text}");
        }
    }

    #[test]
    fn what_decides_is_in_the_shape() {
        for (one, other) in [
            ("{a}", "{b}"),
            ("{a}", "{x:a}"),
            ("{a}", "query{a}"),
            ("query{a}", "query A{a}"),
            ("query A{a}", "mutation A{a}"),
            ("{a(n:1)}", "{a(n:\"1\")}"),
            ("{a(n:1)}", "{a(m:1)}"),
            ("{a(n:1)}", "{a(n:$n)}"),
            ("{a(n:RED)}", "{a(n:BLUE)}"),
            ("{a(n:true)}", "{a(n:false)}"),
            ("{a(n:[1])}", "{a(n:[1,1])}"),
            ("{a(n:{x:1})}", "{a(n:{y:1})}"),
            ("{a b}", "{a{b}}"),
            ("{a:b c}", "{a b:c}"),
            ("query($n:Int=1){a}", "query($n:Int=2){a}"),
            ("query($n:Int){a}", "query($m:Int){a}"),
            ("query($n:Int){a}", "query($n:String){a}"),
            ("{...{a}}", "{...on A{a}}"),
            ("{a @skip(if:true)}", "{a @include(if:true)}"),
        ] {
            assert_ne!(shape(one), shape(other), "{one} | {other}");
            assert!(
                shape(one).is_some() && shape(other).is_some(),
                "{one} | {other}"
            );
        }
    }

    #[test]
    fn what_is_out_of_the_ordinary_has_no_shape() {
        for text in [
            "",
            "{a",
            "{a}}",
            "{a}{b}",
            "{...f} fragment f on A{a}",
            "fragment f on A{a}",
            "query A{a} query B{a}",
            "{a(n:1.5)}",
            "{a(n:1e5)}",
            "{a(n:01)}",
            "{a(n:-0)}",
            "{...on#c\nA{a}}",
            "{a(n:1234567890)}",
            "{a(n:-)}",
            "{a(s:\"\\n\")}",
            "{a(s:\"\"\"b\"\"\")}",
            "{a(s:\"x)}",
            "{a(s:\"x\ny\")}",
            "\u{feff}{a}",
            "{a..b}",
            "{a ; b}",
        ] {
            assert_eq!(shape(text), None, "{text}");
        }
    }

    #[test]
    fn equal_keys_in_one_place_are_left_to_the_rules() {
        let known = parse_query("{x:a(n:1) y:a(n:2)}").expect("GraphQL");
        let bind = |text: &'static str| NormalizedQuery::of(text).and_then(|own| own.bind(&known));
        assert!(bind("{p:a(n:1) q:a(n:2)}").is_some());
        assert!(bind("{p:a(n:1) p:a(n:2)}").is_none());
    }
}
