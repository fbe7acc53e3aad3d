//! Processes requests from arbitrary bytes, for [`crate::fuzz`] and the benches. It stops before
//! the engine executes.

use std::{net::Ipv4Addr, sync::LazyLock};

use async_graphql::{Variables, parser::types::ExecutableDocument};
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, header},
};
use futures_util::{StreamExt, stream};
use tokio::runtime::{Builder, Runtime};

use super::{
    graphql::{self, GraphqlRequest, RequestVariables, multipart},
    memory::Memory,
};
use crate::{
    access::{Budget, Client},
    document::{self, Document, DocumentRef, DocumentStore, DocumentSyntax, Validator},
    schema::{self, FieldCosts},
    settings::{Limits, TrustedDocuments},
    source::RequestContext,
    write::UploadFiles,
};

static PRICES: LazyLock<FieldCosts> = LazyLock::new(|| FieldCosts::new(|_| 1));
static DOCUMENTS: LazyLock<Option<DocumentStore>> = LazyLock::new(|| {
    let rules = Validator::new(&schema::sdl(), true).ok()?;
    let trusted = TrustedDocuments::default();
    Some(DocumentStore::new(
        rules,
        trusted,
        &Limits::default(),
        1 << 25,
    ))
});

/// Runs every step on an operation: scan, parse, weigh, validate, price, merge.
fn prepare(incoming: GraphqlRequest) {
    let limits = Limits::default();
    let Some(documents) = &*DOCUMENTS else { return };
    let Ok(document) = documents.find(&incoming.document, &limits) else {
        return;
    };
    // The results do not matter: fuzzing looks for panics.
    let _ = document.check_introspection();
    let Ok(operation) = document.operation(incoming.operation_name.as_deref()) else {
        return;
    };
    let declares = |name: &str| operation.declares(name);
    let Ok(variables) = without_bounds(|memory| incoming.variables.read(declares, memory)) else {
        return;
    };
    let (variables, rules) = (&variables, documents.rules());
    if operation.check_size(variables, &limits).is_ok()
        && operation.check_types(variables, rules).is_ok()
    {
        let _ = operation.price(variables, &PRICES, &limits);
        let _ = operation.merged(variables, rules);
    }
}

/// Runs `work` with an unlimited memory budget.
fn without_bounds<T>(work: impl FnOnce(&mut Memory<'_>) -> T) -> T {
    let (budget, client) = (
        Budget::new(u64::MAX),
        Client::at(Ipv4Addr::LOCALHOST.into()),
    );
    work(&mut Memory::new(&budget, &client))
}

/// Processes a JSON body with one operation or several.
pub fn request(bytes: &[u8]) {
    graphql::operations_of_body(bytes)
        .into_iter()
        .for_each(prepare);
}

/// Processes a document without variables.
pub fn document(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        prepare(GraphqlRequest {
            document: DocumentRef {
                text: Some(text.to_owned()),
                ..DocumentRef::default()
            },
            operation_name: None,
            variables: RequestVariables::default(),
        });
    }
}

/// A parsed document, for the benches.
pub struct ParsedDocument {
    syntax: DocumentSyntax,
    engine: ExecutableDocument,
}

impl ParsedDocument {
    /// Parses a document without weighing or validating it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (syntax, text) = document::parse_syntax(text, &[]).ok()?;
        Some(Self {
            engine: document::engine_document(&syntax, &text),
            syntax,
        })
    }

    /// Scans a text before parsing. Returns whether it passes.
    #[must_use]
    pub fn scan(text: &str) -> bool {
        document::scan(text, &Limits::default()).is_ok()
    }

    /// Processes a document without the cache: scan, parse, weigh, validate, merge. Returns whether
    /// it passes.
    #[must_use]
    pub fn whole(text: &str) -> bool {
        let documents = DOCUMENTS.as_ref();
        documents
            .is_some_and(|store| Document::read(text, &Limits::default(), store.rules()).is_ok())
    }

    /// Finds a document as requests do: cached, or parsed and then cached. Returns whether it
    /// passes.
    #[must_use]
    pub fn find(text: String) -> bool {
        let reference = DocumentRef {
            text: Some(text),
            ..DocumentRef::default()
        };
        let documents = DOCUMENTS.as_ref();
        documents.is_some_and(|store| store.find(&reference, &Limits::default()).is_ok())
    }

    /// Weighs the document. Returns whether it passes.
    #[must_use]
    pub fn weigh(&self) -> bool {
        document::weigh(&self.syntax, &Limits::default()).is_ok()
    }

    /// Prices the only operation. Returns whether it passes.
    #[must_use]
    pub fn price(&self) -> bool {
        let (limits, none) = (Limits::default(), Variables::default());
        document::operation(&self.engine, None).is_ok_and(|definition| {
            document::price(&self.engine, definition, &none, &PRICES, &limits).is_ok()
        })
    }
}

thread_local! {
    static RUNTIME: Option<Runtime> =
        Builder::new_current_thread().enable_time().build().ok();
}

/// Processes a multipart body with the boundary `x` and reads every file. The first byte gives the
/// chunk size.
pub fn multipart(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_first() else {
        return;
    };
    let size = usize::from(*size).max(1);
    let pieces: Vec<_> = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
    let mut headers = HeaderMap::new();
    headers.insert("graphql-require-preflight", HeaderValue::from_static("1"));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("multipart/form-data; boundary=x"),
    );
    let limits = Limits {
        upload_bytes: 64 * 1024,
        ..Limits::default()
    };
    let work = async {
        let pieces = pieces.into_iter().map(Ok::<_, std::convert::Infallible>);
        let body = Body::from_stream(stream::iter(pieces));
        let (budget, client) = (
            Budget::new(u64::MAX),
            Client::at(Ipv4Addr::LOCALHOST.into()),
        );
        let mut memory = Memory::new(&budget, &client);
        let read = multipart::read(&headers, body, &limits, &budget, &mut memory).await;
        let Ok((operations, files)) = read else {
            return;
        };
        let context = RequestContext::new(limits.mutation_deadline, 1);
        for request in graphql::operations_of_body(&operations) {
            if let Ok(mut variables) = request.variables.read(|_| true, &mut memory) {
                let _ = files.insert_uploads(&mut variables);
            }
        }
        for name in files.names() {
            if let Ok(mut part) = files.take(&name, &context).await {
                while part.bytes.next().await.is_some_and(|piece| piece.is_ok()) {}
            }
        }
    };
    RUNTIME.with(|runtime| {
        if let Some(runtime) = runtime {
            runtime.block_on(work);
        }
    });
}
