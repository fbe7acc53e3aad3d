// Proves that loops over `hasNextPage` end when a source is away: each client meets an error that names it.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { ApolloClient, CombinedGraphQLErrors, HttpLink, InMemoryCache } from '@apollo/client';
import { relayStylePagination } from '@apollo/client/utilities';
import { Client, fetchExchange, gql } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { relayPagination } from '@urql/exchange-graphcache/extras';
import { ASSETS } from './apollo.documents.mjs';
import { gatewayUrl, rules } from './support.mjs';
import { compileRelay } from './tools.mjs';

const require = createRequire(import.meta.url);
const { createOperationDescriptor, Environment, fetchQuery, getSelector, Network, RecordSource, Store } =
  require('relay-runtime');
const artifact = name => require(`./relay/__generated__/${name}.graphql.js`);

const PAGE = 60;
/// Some four hundred assets in pages of 60, and some more: a loop that does not end passes it at once.
const MANY = 40;

function countingFetch() {
  const counting = (...request) => {
    counting.count += 1;
    assert.ok(counting.count < MANY, 'the loop does not end');
    return fetch(...request);
  };
  counting.count = 0;
  return counting;
}

function assertNamesTheSource({ extensions }) {
  assert.deepEqual(extensions.sources, ['comfy']);
  assert.equal(extensions.code, 'UPSTREAM_UNAVAILABLE');
  assert.ok(extensions.retryAfterSeconds > 0);
}

test('Apollo Client with relayStylePagination', async () => {
  const counting = countingFetch();
  const fields = { assets: relayStylePagination(['filter', 'orderBy']) };
  const typePolicies = { ...rules.policies, Query: { fields } };
  const client = new ApolloClient({
    link: new HttpLink({ uri: gatewayUrl, fetch: counting }),
    cache: new InMemoryCache({ typePolicies, possibleTypes: rules.possibleTypes }),
  });
  const watched = client.watchQuery({ query: ASSETS, variables: { first: PAGE } });
  const subscription = watched.subscribe(() => {});
  await client.query({ query: ASSETS, variables: { first: PAGE } });
  const cached = () => client.readQuery({ query: ASSETS, variables: { first: PAGE } }).assets;
  const loop = async () => {
    while (cached().pageInfo.hasNextPage) {
      await watched.fetchMore({ variables: { first: PAGE, after: cached().pageInfo.endCursor } });
    }
  };
  await assert.rejects(loop, error => {
    assert.ok(CombinedGraphQLErrors.is(error), error);
    assertNamesTheSource(error.errors[0]);
    return true;
  });
  assert.ok(cached().edges.length > PAGE, 'what was loaded stays');
  subscription.unsubscribe();
});

test('urql with its normalised cache', async () => {
  const counting = countingFetch();
  const client = new Client({
    url: gatewayUrl,
    preferGetMethod: false,
    fetch: counting,
    exchanges: [cacheExchange({ resolvers: { Query: { assets: relayPagination() } } }), fetchExchange],
  });
  const query = gql`
    query Assets($first: Int, $after: String) {
      assets(first: $first, after: $after) {
        edges { node { id } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      }
    }
  `;
  let [after, failed] = [undefined, undefined];
  while (!failed) {
    const { data, error } = await client.query(query, { first: PAGE, after }).toPromise();
    failed = error;
    if (failed) break;
    assert.ok(data.assets.pageInfo.hasNextPage, 'the source that is away may hold more');
    after = data.assets.pageInfo.endCursor;
  }
  assertNamesTheSource(failed.graphQLErrors[0]);
});

test('Relay with a network that throws what the gateway could not answer', async () => {
  await compileRelay();
  const counting = countingFetch();
  const network = async ({ text: query, name: operationName }, variables) => {
    const body = JSON.stringify({ query, operationName, variables });
    const headers = { 'content-type': 'application/json' };
    const answer = await (await counting(gatewayUrl, { method: 'POST', headers, body })).json();
    if (answer.errors) throw Object.assign(new Error(answer.errors[0].message), answer.errors[0]);
    return answer;
  };
  const environment = new Environment({ network: Network.create(network), store: new Store(new RecordSource()) });
  const read = variables => {
    const operation = createOperationDescriptor(artifact('galleryQuery'), variables);
    environment.retain(operation);
    const owner = environment.lookup(operation.fragment).data;
    return environment.lookup(getSelector(artifact('gallery_assets'), owner)).data.assets;
  };
  const variables = { first: PAGE };
  await fetchQuery(environment, artifact('galleryQuery'), variables).toPromise();
  const loop = async () => {
    while (read(variables).pageInfo.hasNextPage) {
      const next = { ...variables, after: read(variables).pageInfo.endCursor };
      await fetchQuery(environment, artifact('galleryAssetsPaginationQuery'), next).toPromise();
    }
  };
  await assert.rejects(loop, error => {
    assertNamesTheSource(error);
    return true;
  });
  assert.ok(read(variables).edges.length > PAGE, 'what was loaded stays');
});
