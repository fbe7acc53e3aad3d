#!/bin/sh
# apollo-compiler 1.33.1 accepts two fields of one response key whose list arguments differ, if one
# list begins with the other: it compares the items of both up to the end of the shorter. GraphQL
# (September 2025, 5.3.2) and graphql-js 16.15.0 refuse such a document.
#
# Result: a server that executes what this validator accepts takes one of the two lists for both
# fields. The gateway compares the arguments again (src/document/collect_fields.rs), and
# tests/clients/validation.test.mjs compares it with graphql-js.
#
# Seen with Rust 1.95 and Node.js 20 on 2026-11-29:
#   apollo-compiler [1] [2]: refused
#   apollo-compiler [1] [1, 2]: accepted
#   graphql-js [1] [2]: refused
#   graphql-js [1] [1, 2]: refused
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "try"
version = "0.0.0"
edition = "2024"
[dependencies]
apollo-compiler = "=1.33.1"
TOML
cat > src/main.rs <<'RUST'
use apollo_compiler::{ExecutableDocument, Schema};

fn main() {
    let sdl = "type Query { a(x: [Int!]): Int }";
    let schema = Schema::parse_and_validate(sdl, "schema").expect("a schema");
    for (left, right) in [("[1]", "[2]"), ("[1]", "[1, 2]")] {
        let text = format!("{{ a(x: {left}) a(x: {right}) }}");
        let result = ExecutableDocument::parse_and_validate(&schema, text, "document");
        let verdict = if result.is_ok() { "accepted" } else { "refused" };
        println!("apollo-compiler {left} {right}: {verdict}");
    }
}
RUST
cargo run --quiet > seen
printf '{"private":true,"type":"module"}' > package.json
npm install --silent --no-audit --no-fund --ignore-scripts graphql@16.15.0
cat > try.mjs <<'JS'
import { buildSchema, parse, validate } from 'graphql';

const schema = buildSchema('type Query { a(x: [Int!]): Int }');
for (const [left, right] of [['[1]', '[2]'], ['[1]', '[1, 2]']]) {
  const errors = validate(schema, parse(`{ a(x: ${left}) a(x: ${right}) }`));
  console.log(`graphql-js ${left} ${right}: ${errors.length === 0 ? 'accepted' : 'refused'}`);
}
JS
node try.mjs >> seen
cat seen
cat > expected <<'TEXT'
apollo-compiler [1] [2]: refused
apollo-compiler [1] [1, 2]: accepted
graphql-js [1] [2]: refused
graphql-js [1] [1, 2]: refused
TEXT
diff expected seen
