// Proves that urql with its normalised cache, its persisted queries and its uploads, and graphql-ws, work as they come.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterEach, before, mock, test } from 'node:test';
import { buildSchema, getIntrospectionQuery, graphqlSync } from 'graphql';
import { Client, fetchExchange, gql } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { relayPagination } from '@urql/exchange-graphcache/extras';
import { persistedExchange } from '@urql/exchange-persisted';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { updates } from './rules/urql-updates.mjs';
import { gatewayUrl, idsOfAllSources, pngFile, rules, uploadedAsset } from './support.mjs';

const PAGE = 60;
const schema = buildSchema(await readFile(new URL('schema.graphql', import.meta.url), 'utf8'));
const { data: introspection } = graphqlSync({ schema, source: getIntrospectionQuery() });

const keys = Object.fromEntries(rules.partTypes.map(name => [name, () => null]));

let warnings;
before(() => {
  // graphcache reports types without a key and fields it does not know on the console only.
  warnings = ['warn', 'error'].map(method => mock.method(console, method, () => {}));
});
afterEach(() => {
  assert.deepEqual(warnings.flatMap(({ mock }) => mock.calls.map(call => call.arguments)), []);
});

const newClient = (options = {}) => new Client({
  url: gatewayUrl,
  exchanges: [
    cacheExchange({ schema: introspection, keys, updates, resolvers: { Query: { assets: relayPagination() } } }),
    fetchExchange,
  ],
  ...options,
});

async function answer(operation) {
  const { data, error } = await operation.toPromise();
  if (error) throw error;
  return data;
}

const ASSETS = gql`
  query Assets($first: Int, $after: String, $last: Int, $before: String, $filter: AssetFilter, $orderBy: AssetOrder) {
    assets(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $orderBy) {
      totalCount
      sourceResults {
        source {
          id
          name
        }
        status
        isComplete
        fetchedAt
        execution {
          rowsRead
        }
      }
      nodes {
        id
      }
      edges {
        cursor
        node {
          id
          name
          tags
          note
          details {
            ... on ComfyDetails {
              hash
            }
          }
        }
      }
      pageInfo {
        hasNextPage
        hasPreviousPage
        startCursor
        endCursor
      }
    }
  }
`;
const idsOf = assets => assets.edges.map(({ node }) => node.id);

async function wholeList(variables) {
  const client = newClient();
  const [more, from, at] = variables.first
    ? ['hasNextPage', 'after', 'endCursor']
    : ['hasPreviousPage', 'before', 'startCursor'];
  let { assets } = await answer(client.query(ASSETS, variables));
  while (assets.pageInfo[more]) {
    ({ assets } = await answer(client.query(ASSETS, { ...variables, [from]: assets.pageInfo[at] })));
  }
  return assets;
}

test('relayPagination reaches the end, and the beginning, without repeats or gaps', async () => {
  const forwards = await wholeList({ first: PAGE });
  const backwards = await wholeList({ last: PAGE });
  assert.deepEqual(idsOf(forwards), idsOf(backwards));
  assert.deepEqual(idsOf(forwards).toSorted(), await idsOfAllSources());
  assert.deepEqual(forwards.nodes.map(({ id }) => id), idsOf(forwards));
});

test('a list of one source is as long as its count', async () => {
  for (const size of [{ first: 100 }, { last: 100 }]) {
    const assets = await wholeList({
      ...size,
      filter: { providers: ['COMFY'] },
      orderBy: { field: 'NAME', direction: 'ASC' },
    });
    assert.equal(new Set(idsOf(assets)).size, assets.totalCount);
  }
});

test('what stands beside the edges of a merged list is that of the page asked for', async () => {
  const bodies = [];
  const client = newClient({
    // The very response: another request may be answered from other pages, fetched at another time.
    fetch: async (...request) => {
      const response = await fetch(...request);
      bodies.push(await response.clone().json());
      return response;
    },
  });
  const first = (await answer(client.query(ASSETS, { first: PAGE }))).assets;
  const after = first.pageInfo.endCursor;
  const second = (await answer(client.query(ASSETS, { first: PAGE, after }))).assets;
  const beside = ({ totalCount, sourceResults }) => ({
    totalCount,
    sources: sourceResults.map(({ source: { name }, status, fetchedAt }) => ({ name, status, fetchedAt })),
  });
  assert.equal(bodies.length, 2);
  assert.equal(second.edges.length, 2 * PAGE);
  assert.deepEqual(beside(second), beside(bodies[1].data.assets));
  assert.notDeepEqual(beside(first), beside(second));
  const again = await client.query(ASSETS, { first: PAGE }, { requestPolicy: 'cache-only' }).toPromise();
  assert.equal(again.data.assets.edges.length, 2 * PAGE);
  assert.deepEqual(beside(again.data.assets), beside(first));
});

test('mutations update and invalidate the normalised cache', async () => {
  const { id } = await uploadedAsset('urql-changed.png');
  const client = newClient();
  const variables = { first: 10, filter: { nameContains: 'urql-changed' } };
  const cached = async () => (await client.query(ASSETS, variables, { requestPolicy: 'cache-only' }).toPromise()).data;
  await answer(client.query(ASSETS, variables));
  await answer(client.mutation(gql`
    mutation AddTags($input: AddAssetTagsInput!) {
      addAssetTags(input: $input) {
        assets {
          id
          tags
        }
        errors {
          code
          message
        }
      }
    }
  `, { input: { assetIds: [id], tags: ['urql'] } }));
  assert.ok((await cached()).assets.edges[0].node.tags.includes('urql'));
  await answer(client.mutation(gql`
    mutation SetNote($input: SetAssetNoteInput!) {
      setAssetNote(input: $input) {
        asset {
          id
          note
        }
        errors {
          code
        }
      }
    }
  `, { input: { assetId: id, note: 'seen by urql' } }));
  assert.equal((await cached()).assets.edges[0].node.note, 'seen by urql');
  const { deleteAsset } = await answer(client.mutation(gql`
    mutation Delete($input: DeleteAssetInput!) {
      deleteAsset(input: $input) {
        deletedId
        errors {
          code
        }
      }
    }
  `, { input: { assetId: id } }));
  assert.equal(deleteAsset.deletedId, id);
  assert.deepEqual((await cached()).assets.edges, []);
  const { assets } = await answer(client.query(ASSETS, variables));
  assert.deepEqual(assets.edges, []);
});

test('after a delete no tile is missing, shown twice or left over', async () => {
  const { id } = await uploadedAsset('urql-deleted.png');
  const client = newClient();
  const first = (await answer(client.query(ASSETS, { first: 5 }))).assets;
  const variables = { first: 5, after: first.pageInfo.endCursor };
  const shown = [];
  const { unsubscribe } = client.query(ASSETS, variables).subscribe(({ data }) => shown.push(data && idsOf(data.assets)));
  try {
    await answer(client.query(ASSETS, variables));
    assert.ok(shown.at(-1).includes(id));
    const others = gql`{
      comfyAssets(first: 5) { edges { node { id } } nodes { id } }
      assetSource(name: "comfy") { id assets(first: 5) { edges { node { id } } nodes { id } } }
    }`;
    await answer(client.query(others, {}));
    await answer(client.mutation(gql`
      mutation Delete($input: BulkDeleteAssetsInput!) {
        bulkDeleteAssets(input: $input) {
          deletedIds
        }
      }
    `, { input: { assetIds: [id] } }));
    await answer(client.query(ASSETS, variables));
    for (const tiles of shown) assert.equal(new Set(tiles).size, tiles.length);
    assert.deepEqual(shown.at(-1), shown[0].filter(tile => tile !== id));
    const { data } = await client.query(others, {}, { requestPolicy: 'cache-only' }).toPromise();
    for (const list of [data.comfyAssets, data.assetSource.assets]) {
      assert.equal(list.edges.length, 4);
      assert.ok(list.nodes.every(node => node.id !== id));
    }
  } finally {
    unsubscribe();
  }
});

test('relayPagination needs `first` or `last`: a list without arguments is null there', async () => {
  const { data, error } = await newClient().query(gql`{ assets { edges { node { id } } } }`, {}).toPromise();
  assert.deepEqual({ data, error }, { data: null, error: undefined });
});

test('a file among the variables goes as a multipart request', async () => {
  const client = newClient({ fetchOptions: { headers: { 'graphql-require-preflight': '1' } } });
  const { uploadAsset } = await answer(client.mutation(gql`
    mutation Upload($input: UploadAssetInput!) {
      uploadAsset(input: $input) {
        asset {
          id
          name
        }
        upload {
          upstreamId
          status
        }
        steps {
          name
          status
        }
        errors {
          code
          message
        }
      }
    }
  `, { input: { source: 'comfy', file: pngFile('urql-größe.png') } }));
  assert.deepEqual(uploadAsset.errors, []);
  assert.equal(uploadAsset.asset.name, 'urql-größe.png');
  assert.equal(uploadAsset.upload.status, 'DONE');
});

test('an error carries its code and path', async () => {
  const { error } = await newClient().query(ASSETS, { first: 1, after: 'no cursor' }).toPromise();
  assert.deepEqual(
    error.graphQLErrors.map(({ path, extensions: { code } }) => ({ path, code })),
    [{ path: ['assets'], code: 'BAD_CURSOR' }],
  );
});

for (const preferGetForPersistedQueries of [false, true]) {
  const method = preferGetForPersistedQueries ? 'GET' : 'POST';
  test(`a persisted query registers once and then goes by hash alone, by ${method}`, async () => {
    const requests = [];
    const client = newClient({
      exchanges: [persistedExchange({ preferGetForPersistedQueries }), fetchExchange],
      fetch(address, options) {
        const sent = options.body ? JSON.parse(options.body) : Object.fromEntries(new URL(address).searchParams);
        requests.push({ method: options.method, hasQuery: Boolean(sent.query) });
        return fetch(address, options);
      },
    });
    // The alias makes a query that this gateway has never been sent before.
    const alias = `a${randomUUID().replaceAll('-', '')}`;
    const query = `query Persisted($name: String!) { ${alias}: assetSource(name: $name) { id name } }`;
    assert.equal((await answer(client.query(query, { name: 'comfy' })))[alias].name, 'comfy');
    const [miss, ...registration] = requests.splice(0);
    assert.deepEqual(miss, { method, hasQuery: false });
    assert.deepEqual(registration.map(({ hasQuery }) => hasQuery), [true]);
    assert.equal((await answer(client.query(query, { name: 'piktid' })))[alias].name, 'piktid');
    assert.deepEqual(requests, [{ method, hasQuery: false }]);
  });
}

test('graphql-ws runs queries and mutations over one socket', async () => {
  const { id } = await uploadedAsset('socket.png');
  const socket = createClient({
    url: `${gatewayUrl.replace(/^http/, 'ws')}/ws`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
  });
  const run = async (query, variables) => {
    const results = [];
    for await (const result of socket.iterate({ query, variables })) results.push(result);
    assert.equal(results.length, 1);
    return results[0];
  };
  try {
    const [noted, listed, refused] = await Promise.all([
      run(
        'mutation($input: SetAssetNoteInput!) { setAssetNote(input: $input) { asset { id note } errors { code } } }',
        { input: { assetId: id, note: 'by socket' } },
      ),
      run('query($first: Int) { assets(first: $first) { nodes { id } } }', { first: 3 }),
      run('query($after: String) { assets(after: $after) { nodes { id } } }', { after: 'no cursor' }),
    ]);
    assert.deepEqual(noted.data.setAssetNote, { asset: { id, note: 'by socket' }, errors: [] });
    assert.equal(listed.data.assets.nodes.length, 3);
    assert.equal(refused.errors[0].extensions.code, 'BAD_CURSOR');
  } finally {
    await socket.dispose();
  }
});
