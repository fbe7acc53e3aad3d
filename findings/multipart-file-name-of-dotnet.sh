#!/bin/sh
# .NET's HttpClient (MultipartFormDataContent) sends a file's name that is not ASCII twice: as an
# encoded word of mail (RFC 2047) in `filename`, and extended (RFC 8187) in `filename*`. multer 3.1.0
# gives the encoded word as the name, and never reads `filename*`. mail-parser 0.11.9 reads both.
#
# Result: uploads of .NET programs are named `=?utf-8?B?…?=`. The gateway reads the header with
# mail-parser (src/server/graphql/multipart/part_header.rs).
#
# Seen with Rust 1.95 on 2026-11-29:
#   multer: =?utf-8?B?54uQLnBuZw==?=
#   mail-parser: 狐.png, 狐.png
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
futures-executor = "=0.3.32"
futures-util = "=0.3.32"
mail-parser = "=0.11.9"
multer = "=3.1.0"
TOML
cat > src/main.rs <<'RUST'
use futures_util::stream;
use mail_parser::{MessageParser, MimeHeaders};

const HEADER: &str = "Content-Disposition: form-data; name=0; \
    filename=\"=?utf-8?B?54uQLnBuZw==?=\"; filename*=utf-8''%E7%8B%90.png";

fn main() {
    let body = format!("--b\r\n{HEADER}\r\n\r\nx\r\n--b--\r\n");
    let body = stream::iter([Ok::<_, std::convert::Infallible>(body)]);
    let mut parts = multer::Multipart::new(body, "b");
    let part = futures_executor::block_on(parts.next_field());
    let part = part.expect("a body").expect("a part");
    println!("multer: {}", part.file_name().expect("a name"));
    let raw = format!("{HEADER}\r\n\r\n");
    let message = MessageParser::default().parse_headers(raw.as_bytes()).expect("a header");
    let disposition = message.content_disposition().expect("a disposition");
    let names = disposition.attributes().unwrap_or_default().iter();
    let names: Vec<&str> =
        names.filter(|a| a.name == "filename").map(|a| &*a.value).collect();
    println!("mail-parser: {}", names.join(", "));
}
RUST
cargo run --quiet | tee seen
cat > expected <<'TEXT'
multer: =?utf-8?B?54uQLnBuZw==?=
mail-parser: 狐.png, 狐.png
TEXT
diff expected seen
