// Proves that a gateway which takes trusted documents only knows every document of the manifests that the clients' tools
// made (manifests.test.mjs), by the id that each client sends, and nothing else.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { generatePersistedQueryIdsFromManifest } from '@apollo/persisted-query-lists';
import { gatewayUrl } from './support.mjs';

const read = async name => JSON.parse(await readFile(new URL(`generated/${name}`, import.meta.url), 'utf8'));

async function post(body) {
  const response = await fetch(gatewayUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return response.json();
}

async function get(parameters) {
  const response = await fetch(`${gatewayUrl}?${new URLSearchParams(parameters)}`, { headers: { accept: 'application/json' } });
  return response.json();
}

const codes = ({ errors = [] }) => errors.map(({ extensions }) => extensions.code);

// Without its variables a document may be refused, but not as one that is not known.
function assertKnown(answer) {
  for (const code of codes(answer)) assert.notEqual(code, 'PERSISTED_QUERY_NOT_FOUND');
  for (const code of codes(answer)) assert.notEqual(code, 'FORBIDDEN');
}

test("Relay's documents go by `documentId`, `id` or `doc_id`, and queries by GET too", async () => {
  const manifest = Object.entries(await read('relay-persisted-queries.json'));
  for (const [id, text] of manifest) {
    for (const name of ['documentId', 'id', 'doc_id']) {
      assertKnown(await post({ [name]: id }));
      if (text.startsWith('query')) assertKnown(await get({ [name]: id }));
    }
  }
  const [id] = manifest.find(([, text]) => text.includes('query galleryQuery'));
  const { data } = await post({ documentId: id, variables: { first: 3 } });
  assert.equal(data.assets.edges.length, 3);
});

test("Apollo's documents go by the ids of its manifest", async () => {
  const manifest = await read('apollo-manifest.json');
  for (const { id } of manifest.operations) {
    assertKnown(await post({ extensions: { persistedQuery: { version: 1, sha256Hash: id } } }));
  }
  const persist = new PersistedQueryLink(generatePersistedQueryIdsFromManifest({ loadManifest: async () => manifest }));
  const client = new ApolloClient({
    link: ApolloLink.from([persist, new HttpLink({ uri: gatewayUrl })]),
    cache: new InMemoryCache(),
  });
  const { body } = manifest.operations.find(({ name }) => name === 'Source');
  const { data } = await client.query({ query: gql(body), variables: { name: 'comfy' } });
  assert.equal(data.assetSource.name, 'comfy');
});

test("codegen's documents go by their hash, with and without its algorithm", async () => {
  for (const id of Object.keys(await read('codegen-persisted-documents.json'))) {
    assertKnown(await post({ documentId: id }));
    assertKnown(await post({ documentId: id.replace('sha256:', '') }));
    assertKnown(await post({ extensions: { persistedQuery: { version: 1, sha256Hash: id.replace('sha256:', '') } } }));
  }
});

test('nothing else is executed', async () => {
  const query = '{ assetSources { name } }';
  assert.deepEqual(codes(await post({ query })), ['FORBIDDEN']);
  assert.deepEqual(codes(await get({ query })), ['FORBIDDEN']);
  assert.deepEqual(codes((await post([{ query }]))[0]), ['FORBIDDEN']);
  assert.deepEqual(codes(await post({ documentId: 'nobody made this' })), ['PERSISTED_QUERY_NOT_FOUND']);
});
