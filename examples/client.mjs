// Pages through a list, writes a note and reads it back, with fetch alone: node examples/client.mjs [URL]
// It runs over the sandbox (`cargo run`) and shows what every client does: it reads `errors`,
// `sourceResults` and the payload's `errors`, and it stops when `hasNextPage` is false.
const url = process.argv[2] ?? 'http://127.0.0.1:8000/graphql';
const key = process.env.ASSET_GATEWAY_KEY; // needed in the mode `keys`

/** Executes an operation. Throws with the first error's code if it has no data. */
async function execute(query, variables) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors = [] } = await response.json();
  for (const error of errors) {
    console.error(`${error.extensions.code}: ${error.message} (request ${error.extensions.requestId})`);
  }
  if (!data) throw new Error(errors[0]?.extensions.code ?? `status ${response.status}`);
  return data;
}

const PAGE = `query Page($first: Int!, $after: String, $filter: AssetFilter) {
  assets(first: $first, after: $after, filter: $filter) {
    nodes { id name kind viewerCanNote source { name } }
    pageInfo { hasNextPage endCursor }
    sourceResults { source { name } status error { code message } }
  }
}`;

/** Yields every asset of a list, and says once which sources are missing. */
async function* assets(filter) {
  const missing = new Set();
  let after = null;
  do {
    const { assets: page } = await execute(PAGE, { first: 50, after, filter });
    if (!page) return;
    for (const { source, status, error } of page.sourceResults) {
      if (status === 'FAILED' && !missing.has(source.name)) {
        missing.add(source.name);
        console.error(`${source.name} is missing: ${error.code}: ${error.message}`);
      }
    }
    yield* page.nodes;
    after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
  } while (after);
}

const counts = {};
let noted;
for await (const asset of assets({ kinds: ['IMAGE'] })) {
  counts[asset.source.name] = (counts[asset.source.name] ?? 0) + 1;
  if (asset.viewerCanNote !== false) noted ??= asset;
}
console.log('images:', counts);

const { setAssetNote } = await execute(
  'mutation Note($input: SetAssetNoteInput!) { setAssetNote(input: $input) { asset { id note } errors { code message } } }',
  { input: { assetId: noted.id, note: 'seen by examples/client.mjs' } },
);
console.log(noted.name, setAssetNote.asset?.note ?? setAssetNote.errors);
