// Proves that Apollo Client and its links page, upload, batch, persist and keep their cache with what the gateway sends.
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { afterEach, before, mock, test } from 'node:test';
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { BatchHttpLink } from '@apollo/client/link/batch-http';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { relayStylePagination } from '@apollo/client/utilities';
import UploadHttpLink from 'apollo-upload-client/UploadHttpLink.mjs';
import { filter, firstValueFrom, skip } from 'rxjs';
import { ADD_TAGS, ASSETS, DELETE, REFETCH, SET_NOTE, SOURCE, UPLOAD_TWO } from './apollo.documents.mjs';
import { gatewayUrl, idsOfAllSources, pngFile, rules, uploadedAsset } from './support.mjs';

const PAGE = 60;
const sha256 = text => createHash('sha256').update(text).digest('hex');

let warnings;
before(() => {
  // Apollo reports what its cache cannot merge or write on the console only.
  warnings = ['warn', 'error'].map(method => mock.method(console, method, () => {}));
});
afterEach(() => {
  assert.deepEqual(warnings.flatMap(({ mock }) => mock.calls.map(call => call.arguments)), []);
});

const newCache = () => new InMemoryCache({
  possibleTypes: rules.possibleTypes,
  typePolicies: {
    ...rules.policies,
    Query: { fields: { assets: relayStylePagination(['filter', 'orderBy']) } },
  },
});
const newClient = (link = new HttpLink({ uri: gatewayUrl })) => new ApolloClient({ link, cache: newCache() });

/// A `fetch` that keeps each request and its answer.
function recordingFetch() {
  const exchanges = [];
  const recording = async (address, options) => {
    const response = await fetch(address, options);
    const { method, body } = options;
    exchanges.push({ address: new URL(address), method, body, answer: await response.clone().json() });
    return response;
  };
  return { exchanges, fetch: recording };
}

/// A watched list that grows by `fetchMore`. The cache tells its watchers after a page or a mutation has settled, so
/// what is expected of a list is waited for.
async function openList(client, variables) {
  const watched = client.watchQuery({ query: ASSETS, variables });
  const idle = watched.pipe(filter(({ loading }) => !loading));
  const subscription = watched.subscribe();
  await firstValueFrom(idle);
  const load = async cursor => {
    // Of what the list says, the first thing is what it shows already.
    const merged = firstValueFrom(watched.pipe(skip(1), filter(({ loading }) => !loading)));
    await watched.fetchMore({ variables: { ...variables, ...cursor } });
    await merged;
  };
  const idsOf = ({ data }) => data.assets.edges.map(({ node }) => node.id);
  return {
    get data() { return watched.getCurrentResult().data.assets; },
    get ids() { return idsOf(watched.getCurrentResult()); },
    loadNext() { return load({ after: this.data.pageInfo.endCursor }); },
    loadPrevious() { return load({ before: this.data.pageInfo.startCursor }); },
    shows: expectation => firstValueFrom(idle.pipe(filter(({ data }) => expectation(data.assets)))),
    async becomes(ids) {
      await firstValueFrom(idle.pipe(filter(({ data }) => data.assets.edges.length === ids.length)));
      assert.deepEqual(this.ids, ids);
    },
    close: () => subscription.unsubscribe(),
  };
}

async function wholeList(variables) {
  const list = await openList(newClient(), variables);
  const [more, load] = variables.first ? ['hasNextPage', 'loadNext'] : ['hasPreviousPage', 'loadPrevious'];
  while (list.data.pageInfo[more]) await list[load]();
  list.close();
  return list;
}

async function mutate(client, mutation, input, update) {
  const { data } = await client.mutate({ mutation, variables: { input }, update });
  const [payload] = Object.values(data);
  assert.deepEqual(payload.errors, []);
  return payload;
}

test('relayStylePagination reaches the end, and the beginning, without repeats or gaps', async () => {
  const forwards = await wholeList({ first: PAGE });
  const backwards = await wholeList({ last: PAGE });
  assert.deepEqual(forwards.ids, backwards.ids);
  assert.deepEqual(forwards.ids.toSorted(), await idsOfAllSources());
});

test('lists of other filters and orders are kept apart, each as long as its count', async () => {
  const client = newClient();
  const lists = await Promise.all([
    openList(client, { first: 100, filter: { providers: ['PIKTID'] } }),
    openList(client, { first: 100, filter: { providers: ['COMFY'] }, orderBy: { field: 'SIZE', direction: 'ASC' } }),
  ]);
  for (const list of lists) {
    while (list.data.pageInfo.hasNextPage) await list.loadNext();
    assert.equal(new Set(list.ids).size, list.data.totalCount);
    list.close();
  }
  assert.equal(lists[0].ids.find(id => lists[1].ids.includes(id)), undefined);
});

test('what stands beside the edges of a merged list is that of the page loaded last', async () => {
  const { exchanges, fetch } = recordingFetch();
  const list = await openList(newClient(new HttpLink({ uri: gatewayUrl, fetch })), { first: PAGE });
  await list.loadNext();
  list.close();
  const [first, second] = exchanges.map(({ answer }) => answer.data.assets);
  const beside = ({ totalCount, sourceResults }) => ({ totalCount, sourceResults });
  assert.equal(list.ids.length, 2 * PAGE);
  assert.deepEqual(beside(list.data), beside(second));
  assert.notDeepEqual(beside(first), beside(second));
});

test('tags and notes change every list that shows the asset', async () => {
  const { id } = await uploadedAsset('apollo-tagged.png');
  const client = newClient();
  const list = await openList(client, { first: 10, filter: { nameContains: 'apollo-tagged' } });
  await mutate(client, ADD_TAGS, { assetIds: [id], tags: ['apollo'] });
  await list.shows(({ edges: [{ node }] }) => node.tags.includes('apollo'));
  await mutate(client, SET_NOTE, { assetId: id, note: 'seen by Apollo' });
  await list.shows(({ edges: [{ node }] }) => node.note === 'seen by Apollo');
  list.close();
});

test('a deleted asset leaves its lists by eviction and by modification', async () => {
  for (const name of ['a', 'b', 'c']) await uploadedAsset(`apollo-delete-${name}.png`);
  const client = newClient();
  const list = await openList(client, { first: 10, filter: { nameContains: 'apollo-delete' } });
  const [evicted, modified, kept] = list.ids;
  await mutate(client, DELETE, { assetId: evicted }, (cache, { data: { deleteAsset } }) => {
    cache.evict({ id: cache.identify({ __typename: 'Asset', id: deleteAsset.deletedId }) });
    cache.gc();
  });
  await list.becomes([modified, kept]);
  await mutate(client, DELETE, { assetId: modified }, (cache, { data: { deleteAsset } }) => {
    cache.modify({
      fields: {
        assets: (assets, { readField }) => ({
          ...assets,
          edges: assets.edges.filter(edge => readField('id', readField('node', edge)) !== deleteAsset.deletedId),
        }),
      },
    });
  });
  await list.becomes([kept]);
  list.close();
});

test('fragments match by possible types, and details asked for in parts come together', async () => {
  const client = newClient();
  const list = await openList(client, { first: 1, filter: { providers: ['COMFY'] } });
  const [{ node: listed }] = list.data.edges;
  const { data } = await client.query({ query: REFETCH, variables: { id: listed.id } });
  assert.equal(data.node.id, listed.id);
  assert.ok('isImmutable' in data.node.details);
  assert.deepEqual(list.data.edges[0].node.details, listed.details);
  assert.match(listed.details.hash, /^blake3:/);
  list.close();
});

test('a cursor of another list is an error with a code, and leaves the data that was there', async () => {
  const client = newClient();
  const list = await openList(client, { first: 5 });
  const oldestFirst = { field: 'CREATED_AT', direction: 'ASC' };
  const { data } = await client.query({ query: ASSETS, variables: { first: 1, orderBy: oldestFirst } });
  const strange = data.assets.pageInfo.endCursor;
  const { error } = await client.query({
    query: ASSETS,
    variables: { first: 5, after: strange },
    fetchPolicy: 'network-only',
    errorPolicy: 'all',
  });
  assert.ok(CombinedGraphQLErrors.is(error));
  assert.deepEqual(error.errors.map(({ path, extensions }) => ({ path, code: extensions.code })), [
    { path: ['assets'], code: 'BAD_CURSOR' },
  ]);
  assert.equal(list.ids.length, 5);
  list.close();
});

test('two screens that select different fields of the same parts keep both', async () => {
  const client = newClient();
  const source = fields => gql`query { assetSource(name: "scenario") { id ${fields} } }`;
  const list = fields => gql`query { assets(first: 3, filter: { sources: ["scenario"] }) { ${fields} } }`;
  const screens = [
    source('capabilities { canTag orderFields }'),
    source('capabilities { canUpload deleteEffect } health { status }'),
    source('health { calls }'),
    list('nodes { id details { ... on ScenarioDetails { authorId metadata { prompt } } } }'),
    list('nodes { id details { ... on ScenarioDetails { metadata { seed } properties { size } } } } pageInfo { hasNextPage }'),
    list('nodes { id details { ... on ScenarioDetails { properties { width } } } } totalCount pageInfo { endCursor }'),
  ];
  const shown = [];
  for (const query of screens) shown.push((await client.query({ query })).data);
  screens.forEach((query, index) => {
    const kept = client.readQuery({ query });
    assert.deepEqual(kept, shown[index], `screen ${index} lost what it showed`);
  });
});

test('BatchHttpLink sends operations together and gets each its own answer', async () => {
  const { exchanges, fetch } = recordingFetch();
  const client = newClient(new BatchHttpLink({ uri: gatewayUrl, fetch, batchInterval: 20 }));
  const [comfy, bad, piktid] = await Promise.all([
    client.query({ query: SOURCE, variables: { name: 'comfy' } }),
    client.query({ query: ASSETS, variables: { first: 1, after: 'no cursor' }, errorPolicy: 'all' }),
    client.query({ query: SOURCE, variables: { name: 'piktid' } }),
  ]);
  assert.equal(comfy.data.assetSource.name, 'comfy');
  assert.equal(piktid.data.assetSource.name, 'piktid');
  assert.equal(bad.error.errors[0].extensions.code, 'BAD_CURSOR');
  assert.equal(exchanges.length, 1);
  assert.equal(JSON.parse(exchanges[0].body).length, 3);
});

test('apollo-upload-client uploads files, one or several in an operation', async () => {
  const client = newClient(new UploadHttpLink({ uri: gatewayUrl, headers: { 'apollo-require-preflight': 'true' } }));
  // Apollo names what it keeps of a mutation by the arguments, in which every file reads as `{}`.
  const upload = name => ({ source: 'comfy', file: pngFile(name), tags: ['apollo'], clientMutationId: name });
  const { data } = await client.mutate({
    mutation: UPLOAD_TWO,
    variables: { first: upload('apollo-größe ü.png'), second: upload('apollo-second.png') },
  });
  for (const [payload, name] of [[data.first, 'apollo-größe ü.png'], [data.second, 'apollo-second.png']]) {
    assert.deepEqual(payload.errors, []);
    assert.equal(payload.asset.name, name);
    assert.equal(payload.asset.mimeType, 'image/png');
    assert.ok(payload.asset.tags.includes('apollo'));
    assert.equal(payload.upload.status, 'DONE');
  }
});

for (const useGETForHashedQueries of [false, true]) {
  const method = useGETForHashedQueries ? 'GET' : 'POST';
  test(`persisted queries register once and then go by hash alone, by ${method}`, async () => {
    const { exchanges, fetch } = recordingFetch();
    const persist = new PersistedQueryLink({ sha256, useGETForHashedQueries });
    const http = new HttpLink({ uri: gatewayUrl, fetch });
    // The field's alias makes a query that this gateway has never been sent before.
    const alias = `a${randomUUID().replaceAll('-', '')}`;
    const query = gql`query Persisted($name: String!) { ${alias}: assetSource(name: $name) { id name } }`;
    const nameOf = async name => {
      const client = newClient(ApolloLink.from([persist, http]));
      const { data } = await client.query({ query, variables: { name } });
      return data[alias].name;
    };
    assert.equal(await nameOf('comfy'), 'comfy');
    const [miss, registration] = exchanges;
    assert.equal(miss.answer.errors[0].message, 'PersistedQueryNotFound');
    assert.equal(miss.answer.errors[0].extensions.code, 'PERSISTED_QUERY_NOT_FOUND');
    assert.ok(JSON.parse(registration.body).query.includes(alias));

    assert.equal(await nameOf('piktid'), 'piktid');
    assert.equal(exchanges.length, 3);
    const hit = exchanges[2];
    assert.equal(hit.method, method);
    const sent = method === 'GET' ? Object.fromEntries(hit.address.searchParams) : JSON.parse(hit.body);
    assert.equal(sent.query, undefined);
    assert.ok(JSON.stringify(sent.extensions).includes('sha256Hash'));
  });
}
