//! A GraphQL multipart request: `operations`, `map`, then the files, which stay in the body until
//! a field takes them.
//!
//! <https://github.com/jaydenseric/graphql-multipart-request-spec>

mod error;
mod field_reader;
mod files;
mod map;
mod metered_body;
mod part_header;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header},
};
use multer::{Field, Multipart};
use tokio::{sync::Mutex as Turn, time::timeout};

use self::{
    error::{broken, shown},
    field_reader::OpenField,
    files::{BodyParts, HEAD_BYTES},
    map::paths_by_part,
    metered_body::metered,
    part_header::PartHeader,
};
use crate::{
    access::Budget,
    schema::Code,
    server::{error::RequestError, memory::Memory, origin_policy},
    settings::Limits,
};

pub use files::Files;

/// Maximum bytes of `map`.
const MAP_BYTES: usize = 4 * 1024;

/// Maximum characters of a boundary (RFC 2046, 5.1.1).
const MAX_BOUNDARY: usize = 70;

/// Returns whether the content type is `multipart/form-data`.
pub fn is_multipart(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("multipart/form-data"))
}

/// Reads `operations`, `map` and the headers of the first file.
///
/// # Errors
/// A [`RequestError`] for a missing preflight header, a malformed body, or an exceeded limit.
pub async fn read(
    headers: &HeaderMap,
    body: Body,
    limits: &Limits,
    spools: &Budget,
    memory: &mut Memory<'_>,
) -> Result<(Bytes, Arc<Files>), RequestError> {
    if !origin_policy::has_preflight_header(headers) {
        return Err(RequestError::bad_request(
            "a multipart request needs a header that triggers a CORS preflight: \
             `graphql-require-preflight: 1`, or `apollo-require-preflight: true`",
        ));
    }
    let boundary = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| multer::parse_boundary(text).ok())
        .filter(|boundary| (1..=MAX_BOUNDARY).contains(&boundary.len()))
        .ok_or_else(|| {
            RequestError::bad_request(
                "the content type `multipart/form-data` needs a `boundary` of 1 to 70 characters",
            )
        })?;
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<u64>().ok());
    let overhead = (limits.body_bytes + MAP_BYTES) as u64 + HEAD_BYTES;
    let left = Arc::new(AtomicU64::new(overhead));
    let is_over_limit = Arc::<AtomicBool>::default();
    let metered = metered(body, Arc::clone(&left), Arc::clone(&is_over_limit));
    let parts = Multipart::new(metered, boundary);
    let mut reading = BodyParts {
        parts,
        next: None,
        passed: HashSet::new(),
        spooled_files: HashMap::new(),
    };
    let head = timeout(limits.body_deadline, reading.head(limits, memory)).await;
    let (operations, paths_by_part) = head.unwrap_or_else(|_| {
        Err(RequestError::new(
            StatusCode::REQUEST_TIMEOUT,
            Code::BadUserInput,
            "`operations`, `map` and the headers of the first file did not arrive in time",
        ))
    })?;
    let most = limits
        .upload_bytes
        .saturating_mul(paths_by_part.len() as u64);
    if announced.is_some_and(|length| length > most.saturating_add(overhead)) {
        let first = reading.next.as_ref();
        let first = first.and_then(|field| PartHeader::of(field.headers()).file_name);
        let what = match (paths_by_part.len(), first) {
            (1, Some(name)) => format!("the file `{}`", shown(&name)),
            (count, _) => format!("each of the {count} files of this request"),
        };
        return Err(RequestError::too_large(
            "upload_bytes",
            &what,
            announced,
            limits.upload_bytes,
        ));
    }
    let files = Files {
        body: Turn::new(reading),
        open: OpenField::default(),
        paths_by_part,
        left,
        most,
        is_over_limit,
        malformed: Arc::default(),
        has_complete_file: Arc::default(),
        limit: limits.upload_bytes,
        idle: limits.upload_idle,
        spools: spools.clone(),
        client: memory.client().clone(),
    };
    Ok((operations.into(), Arc::new(files)))
}

impl BodyParts {
    async fn head(
        &mut self,
        limits: &Limits,
        memory: &mut Memory<'_>,
    ) -> Result<(Vec<u8>, HashMap<String, Vec<String>>), RequestError> {
        let operations = self.text("operations", limits.body_bytes, memory).await?;
        let map = self.text("map", MAP_BYTES, memory).await?;
        let paths_by_part = paths_by_part(&map, limits.upload_files)?;
        self.next = self.parts.next_field().await.map_err(broken)?;
        let first = self.next.as_ref();
        let first = first.and_then(|field| PartHeader::of(field.headers()).name);
        match first.as_deref() {
            None if self.next.is_some() => Err(RequestError::bad_request("a part has no name")),
            None if !paths_by_part.is_empty() => Err(RequestError::bad_request(
                "the request ends before the first file that `map` names",
            )),
            Some("operations" | "map") => Err(RequestError::bad_request(
                "`operations` and `map` come once each",
            )),
            Some(name) if !paths_by_part.contains_key(name) => Err(RequestError::bad_request(
                format!("the part `{}` is not in `map`", shown(name)),
            )),
            _ => Ok((operations, paths_by_part)),
        }
    }

    async fn text(
        &mut self,
        name: &str,
        limit: usize,
        memory: &mut Memory<'_>,
    ) -> Result<Vec<u8>, RequestError> {
        let field = self.parts.next_field().await.map_err(broken)?;
        let is_named = |field: &Field<'_>| {
            let header = PartHeader::of(field.headers());
            header.name.as_deref() == Some(name)
        };
        let Some(mut field) = field.filter(is_named) else {
            return Err(RequestError::bad_request(format!(
                "a multipart request has the part `operations` first, then `map`, then the files: \
                 `{name}` is missing or not in its place"
            )));
        };
        let mut text = Vec::new();
        while let Some(piece) = field.chunk().await.map_err(broken)? {
            if text.len() + piece.len() > limit {
                let what = format!("the part `{name}`");
                let key = "body_bytes";
                return Err(RequestError::too_large(key, &what, None, limit as u64));
            }
            memory.take(piece.len())?;
            text.extend_from_slice(&piece);
        }
        // A byte order mark, which a parser may ignore (RFC 8259, 8.1).
        if text.starts_with(b"\xEF\xBB\xBF") {
            text.drain(..3);
        }
        Ok(text)
    }
}
