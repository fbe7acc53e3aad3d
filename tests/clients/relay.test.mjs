// Proves that a Relay application compiles against the schema and pages, refetches and mutates without adapting anything.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { afterEach, before, mock, test } from 'node:test';
import { gatewayUrl, idsOfAllSources, pngFile, uploadedAsset } from './support.mjs';
import { compileRelay } from './tools.mjs';

// Both are CommonJS, as Relay's compiler writes its artifacts for bundlers.
const require = createRequire(import.meta.url);
const {
  commitMutation: commit, createOperationDescriptor, Environment, fetchQuery, getPaginationMetadata,
  getPaginationVariables, getSelector, Network, RecordSource, Store,
} = require('relay-runtime');
const artifact = name => require(`./relay/__generated__/${name}.graphql.js`);

const PAGE = 60;
let compilerOutput;
let warnings;

before(async () => {
  compilerOutput = await compileRelay();
  // Relay reports what it cannot normalise on the console only.
  warnings = mock.method(console, 'error', () => {});
});
afterEach(() => {
  assert.deepEqual(warnings.mock.calls.map(call => call.arguments), []);
});

function multipart(operation, files) {
  const form = new FormData();
  form.append('operations', JSON.stringify(operation));
  form.append('map', JSON.stringify(Object.fromEntries(Object.keys(files).map(path => [path, [path]]))));
  for (const [path, file] of Object.entries(files)) form.append(path, file);
  return { body: form, headers: { 'graphql-require-preflight': '1' } };
}

async function fetchOperation({ text: query, name: operationName }, variables, _cacheConfig, files) {
  const operation = { query, operationName, variables };
  const { body, headers } = files
    ? multipart(operation, files)
    : { body: JSON.stringify(operation), headers: { 'content-type': 'application/json' } };
  const response = await fetch(gatewayUrl, { method: 'POST', body, headers });
  return response.json();
}

const newEnvironment = (network = fetchOperation) =>
  new Environment({ network: Network.create(network), store: new Store(new RecordSource()) });

/// Fetches a query and reads one fragment of the object that `fragmentOwner` finds in its data.
async function read(environment, query, variables, fragment, fragmentOwner) {
  const operation = createOperationDescriptor(artifact(query), variables);
  await fetchQuery(environment, artifact(query), variables).toPromise();
  environment.retain(operation);
  const owner = fragmentOwner(environment.lookup(operation.fragment).data);
  return owner && (() => environment.lookup(getSelector(artifact(fragment), owner)).data);
}

/// A list in the store, with what `usePaginationFragment` does for `loadNext` and `loadPrevious`.
class PagedList {
  constructor(environment, fragment, variables, snapshot, connection) {
    Object.assign(this, { snapshot, connection });
    const { paginationRequest, paginationMetadata } = getPaginationMetadata(artifact(fragment), 'test');
    const count = variables.first ?? variables.last;
    this.load = (direction, cursor) => fetchQuery(
      environment,
      paginationRequest,
      getPaginationVariables(direction, count, cursor, variables, {}, paginationMetadata),
    ).toPromise();
  }
  get data() { return this.connection(this.snapshot()); }
  get ids() { return this.data.edges.map(edge => edge.node.id); }
  async loadToEnd() {
    while (this.data.pageInfo.hasNextPage) await this.load('forward', this.data.pageInfo.endCursor);
  }
  async loadToBeginning() {
    while (this.data.pageInfo.hasPreviousPage) await this.load('backward', this.data.pageInfo.startCursor);
  }
}

async function openGallery(environment, variables) {
  const snapshot = await read(environment, 'galleryQuery', variables, 'gallery_assets', data => data);
  return new PagedList(environment, 'gallery_assets', variables, snapshot, data => data.assets);
}

async function mutate(environment, name, variables, uploadables) {
  const answer = await new Promise((resolve, reject) => {
    commit(environment, {
      mutation: artifact(name), variables, uploadables,
      onCompleted: (data, errors) => (errors ? reject(new Error(JSON.stringify(errors))) : resolve(data)),
      onError: reject,
    });
  });
  const [payload] = Object.values(answer);
  assert.deepEqual(payload.errors, []);
  return payload;
}

const recordOf = (environment, id) => environment.getStore().getSource().get(id);

test('relay-compiler takes every document without a warning', () => {
  assert.match(compilerOutput, /Compilation completed/);
  assert.doesNotMatch(compilerOutput, /warn|error/i);
});

test('the connection pages to its end, and back to its beginning, without repeats or gaps', async () => {
  const all = await idsOfAllSources();
  const forwards = await openGallery(newEnvironment(), { first: PAGE });
  await forwards.loadToEnd();
  const backwards = await openGallery(newEnvironment(), { last: PAGE });
  await backwards.loadToBeginning();
  assert.deepEqual(forwards.ids, backwards.ids);
  assert.deepEqual(forwards.ids.toSorted(), all);
});

test('a list that tells its count has so many edges, whichever filter and order it has', async () => {
  const variables = {
    filter: { providers: ['PIKTID'] },
    orderBy: { field: 'NAME', direction: 'ASC' },
  };
  const forwards = await openGallery(newEnvironment(), { ...variables, first: PAGE });
  await forwards.loadToEnd();
  const backwards = await openGallery(newEnvironment(), { ...variables, last: PAGE });
  await backwards.loadToBeginning();
  assert.ok(forwards.data.totalCount > PAGE);
  assert.equal(new Set(forwards.ids).size, forwards.data.totalCount);
  assert.deepEqual(forwards.ids, backwards.ids);
});

test('a list opened in its middle grows in both directions', async () => {
  const whole = await openGallery(newEnvironment(), { first: PAGE });
  await whole.loadToEnd();
  const middle = whole.data.edges[Math.floor(whole.ids.length / 2)].cursor;
  const list = await openGallery(newEnvironment(), { first: PAGE, after: middle });
  assert.equal(list.ids.length, PAGE);
  await list.loadToEnd();
  await list.loadToBeginning();
  assert.deepEqual(list.ids, whole.ids);
});

test('what stands beside the edges is that of the page loaded last', async () => {
  const pages = [];
  const environment = newEnvironment(async (...request) => {
    const answer = await fetchOperation(...request);
    pages.push(answer.data.assets);
    return answer;
  });
  const list = await openGallery(environment, { first: PAGE });
  const shown = () => ({
    totalCount: list.data.totalCount,
    fetchedAt: list.data.sourceResults.map(({ fetchedAt }) => fetchedAt),
  });
  const sent = ({ totalCount, sourceResults }) => ({ totalCount, fetchedAt: sourceResults.map(({ fetchedAt }) => fetchedAt) });
  assert.deepEqual(shown(), sent(pages[0]));
  await list.load('forward', list.data.pageInfo.endCursor);
  assert.equal(list.ids.length, 2 * PAGE);
  assert.deepEqual(shown(), sent(pages[1]));
  assert.notDeepEqual(sent(pages[0]), sent(pages[1]));
});

test("an asset's children are a connection of their own, refetched through `node`", async () => {
  const parent = await uploadedAsset('relay-parent.png', { source: 'scenario' });
  const options = { scenario: { parentAssetId: parent.id } };
  const children = [];
  for (const name of ['a', 'b', 'c']) {
    children.push((await uploadedAsset(`relay-child-${name}.png`, { source: 'scenario', options })).id);
  }
  const opened = async page => {
    const environment = newEnvironment();
    const variables = { id: parent.id, ...page };
    const snapshot = await read(
      environment, 'galleryChildrenQuery', variables, 'gallery_children', data => data.asset);
    return new PagedList(environment, 'gallery_children', variables, snapshot, data => data.children);
  };
  const forwards = await opened({ first: 1 });
  await forwards.loadToEnd();
  const backwards = await opened({ last: 1 });
  await backwards.loadToBeginning();
  assert.deepEqual(forwards.ids, backwards.ids);
  assert.deepEqual(forwards.ids.toSorted(), children.toSorted());
});

test('an asset and a source are refetched by `node`, each as the same record', async () => {
  const environment = newEnvironment();
  const list = await openGallery(environment, { first: 3, filter: { providers: ['COMFY'] } });
  const [{ node }] = list.data.edges;
  const listed = environment.lookup(getSelector(artifact('gallery_asset'), node)).data;
  const refetched = await read(environment, 'galleryAssetRefetchQuery', { id: node.id }, 'gallery_asset', ({ node }) => node);
  const ownFields = ({ name, tags, note, thumbnailUrl, details }) => ({ name, tags, note, thumbnailUrl, details });
  assert.deepEqual(ownFields(refetched()), ownFields(listed));
  assert.equal(listed.details.__typename, 'ComfyDetails');

  const sourceId = list.data.sourceResults.find(({ status }) => status === 'OK').source.id;
  const source = await read(
    environment, 'gallerySourceRefetchQuery', { id: sourceId }, 'gallery_source', ({ node }) => node);
  assert.equal(source().provider, 'COMFY');
  assert.equal(source().capabilities.canUpload, true);
  assert.equal(recordOf(environment, sourceId).__typename, 'AssetSource');
});

test('uploads appear at the end and at the beginning of the connection', async () => {
  const environment = newEnvironment();
  const list = await openGallery(environment, { first: 5 });
  const before = list.ids;
  const upload = async (mutation, name) => {
    const input = { source: 'comfy', name, file: null };
    const variables = { input, connections: [list.data.__id] };
    return (await mutate(environment, mutation, variables, { 'variables.input.file': pngFile(name) })).asset.id;
  };
  const appended = await upload('galleryAppendUploadMutation', 'relay-appended.png');
  assert.deepEqual(list.ids, [...before, appended]);
  const prepended = await upload('galleryPrependUploadMutation', 'relay-prepended.png');
  assert.deepEqual(list.ids, [prepended, ...before, appended]);
  assert.equal(recordOf(environment, prepended).name, 'relay-prepended.png');
});

test('a deleted asset leaves the connection, or the store', async () => {
  const uploaded = [];
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
    uploaded.push((await uploadedAsset(`relay-delete-${name}.png`)).id);
  }
  const environment = newEnvironment();
  const list = await openGallery(environment, { first: PAGE, filter: { nameContains: 'relay-delete-' } });
  const connections = [list.data.__id];
  const [edge, record, ...bulk] = uploaded;
  assert.deepEqual(list.ids.toSorted(), uploaded.toSorted());

  await mutate(environment, 'galleryDeleteMutation', { input: { assetId: edge }, connections });
  assert.deepEqual(list.ids.toSorted(), [record, ...bulk].sort());
  await mutate(environment, 'galleryBulkDeleteMutation', { input: { assetIds: bulk.slice(0, 2) }, connections });
  assert.deepEqual(list.ids.toSorted(), [record, ...bulk.slice(2)].sort());

  await mutate(environment, 'galleryDeleteRecordMutation', { input: { assetId: record } });
  await mutate(environment, 'galleryBulkDeleteRecordsMutation', { input: { assetIds: bulk.slice(2) } });
  for (const id of [record, ...bulk.slice(2)]) assert.equal(recordOf(environment, id), null);
  const gone = await read(environment, 'galleryAssetRefetchQuery', { id: record }, 'gallery_asset', ({ node }) => node);
  assert.equal(gone, null);
});

test('tags and notes change the record that every list shows', async () => {
  const { id } = await uploadedAsset('relay-tagged.png');
  const environment = newEnvironment();
  const shown = await read(environment, 'galleryAssetRefetchQuery', { id }, 'gallery_asset', ({ node }) => node);
  await mutate(environment, 'galleryAddTagsMutation', { input: { assetIds: [id], tags: ['relay'] } });
  assert.ok(shown().tags.includes('relay'));
  await mutate(environment, 'gallerySetNoteMutation', { input: { assetId: id, note: 'seen by Relay' } });
  assert.equal(shown().note, 'seen by Relay');
});
