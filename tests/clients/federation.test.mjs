// Proves that the gateway is a whole Federation 2 subgraph: it composes without a hint, and two gateways find their way in, through and out.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { composeServices } from '@apollo/composition';
import { parse, visit } from 'graphql';
import { captionOf, reviewerOf, reviewsSdl, reviewTextOf, serveReviews } from './reviews-subgraph.mjs';
import { ask, gateways } from './supergraph.mjs';
import { gatewayUrl as assetGateway } from './support.mjs';


const whole = async (url, query, variables) => {
  const { data, errors } = await ask(url, query, variables);
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
};

const assetIdOf = (source, upstreamId) => Buffer.from(`a:${source}:${upstreamId}`).toString('base64url');
const unreadableId = 'not-an-id';
const idsOfNothing = [
  assetIdOf('scenario', 'asset_000000000000000000000000'),
  assetIdOf('piktid', '00000000-0000-4000-8000-000000000000'),
  assetIdOf('comfy', '00000000-0000-4000-8000-000000000000'),
];

const walk = async (url, pageSize) => {
  const nodes = [];
  let place = { hasNextPage: true, endCursor: null };
  while (place.hasNextPage) {
    const { assets } = await whole(
      url,
      `query ($first: Int!, $after: String) {
        assets(first: $first, after: $after) {
          nodes { id name kind tags source { id name } }
          pageInfo { hasNextPage endCursor }
        }
      }`,
      { first: pageSize, after: place.endCursor },
    );
    nodes.push(...assets.nodes);
    place = assets.pageInfo;
  }
  return nodes;
};

const compose = (assetsSdl, otherSdl = reviewsSdl, reviewsUrl = 'http://127.0.0.1/') =>
  composeServices([
    { name: 'assets', url: assetGateway, typeDefs: parse(assetsSdl) },
    { name: 'reviews', url: reviewsUrl, typeDefs: parse(otherSdl) },
  ]);

// Hints are warnings: composing a graph with this one must not give its team any.
const supergraphOf = ({ errors, hints, supergraphSdl }) => {
  assert.deepEqual((errors ?? []).map((error) => error.message), []);
  assert.deepEqual(hints.map((hint) => `${hint.definition.code}: ${hint.message}`), []);
  return supergraphSdl;
};

let sdl;
let everything;

before(async () => {
  sdl = (await whole(assetGateway, '{ _service { sdl } }'))._service.sdl;
  everything = await walk(assetGateway, 100);
  assert.ok(everything.length > 100, `${everything.length} assets`);
});

describe('composition', () => {
  test('beside a subgraph that extends assets and sources there is no error and no hint', () => {
    const supergraph = supergraphOf(compose(sdl));
    assert.match(supergraph, /type Asset implements Node\s+@join__implements/);
  });

  test('beside a subgraph of Federation 1 there is no error and no hint', () => {
    supergraphOf(
      compose(
        sdl,
        `type Query { reviewed(assetIds: [ID!]!): [Asset]! }
         extend type Asset @key(fields: "id") { id: ID! @external stars: Int! }`,
      ),
    );
  });

  test('beside a subgraph that describes shared types in its own words there is no hint', () => {
    const described = reviewsSdl
      .replace('type PageInfo', '"Where to go on."\n  type PageInfo')
      .replace('interface Node', '"Whatever has an id."\n  interface Node')
      .replace('type Query', '"Where to begin."\n  type Query')
      .replace('type Mutation', '"What to change."\n  type Mutation');
    const scalars = `"A moment." scalar DateTime @specifiedBy(url: "https://example.com/date-time")
      "Anything." scalar JSON  "A file." scalar Upload  "Bytes." scalar ByteSize`;
    supergraphOf(compose(sdl, `${described}\n${scalars}`));
  });

  test('`node` and `nodes` stay out of the supergraph', () => {
    const root = parse(supergraphOf(compose(sdl))).definitions.find(({ name }) => name?.value === 'Query');
    const fields = root.fields.map(({ name }) => name.value);
    assert.ok(fields.includes('asset'));
    assert.deepEqual(fields.filter(name => ['node', 'nodes'].includes(name)), []);
  });

  test('beside a subgraph that has common names for its own types there is no error', () => {
    // What a catalogue of articles, an identity service or a file store may call its own things.
    const { errors } = compose(
      sdl,
      `extend schema @link(url: "https://specs.apollo.dev/federation/v2.5", import: ["@key"])
       type Query {
         source(id: ID!): Source
         sources(first: Int): [Source!]!
         duration: Int
       }
       type Mutation { sort(direction: OrderDirection!, size: ThumbnailSize): [MutationError!]! }
       enum Provider { GOOGLE GITHUB }
       enum Visibility { EVERYONE ME }
       enum OrderDirection { UP DOWN }
       enum ThumbnailSize { TINY }
       enum ErrorCode { E1 E2 }
       enum SourceStatus { FRESH }
       enum SourceResultStatus { FOUND }
       enum UploadStatus { UPLOADING }
       enum UploadStepName { SCAN }
       enum UploadStepStatus { SCANNED }
       enum ComfyDestination { HERE }
       type Source @key(fields: "isbn") { isbn: ID! id: Int provider: Provider capabilities: SourceCapabilities health: SourceHealth }
       type SourceCapabilities { canTag: String filters: Int }
       type SourceHealth { status: SourceStatus reason: Int }
       type SourceResult { source: Source status: SourceResultStatus }
       type SourceError { code: Int message: String }
       type SourcePlan { calls: String }
       type MutationError { code: ErrorCode message: String field: String }
       type UploadProgress { id: ID status: UploadStatus }
       type UploadStep { step: UploadStepName status: UploadStepStatus }
       input MetadataMatch { pattern: String! }
       input UploadOptionsInput { quiet: Boolean! }
       input AssetTagsInput { tags: [Int!]! }
       type AssetTagsPayload { assets: Int }
       type Subscription { matched(by: MetadataMatch!, with: Visibility!, options: UploadOptionsInput, to: ComfyDestination, tags: AssetTagsInput): Provider }`,
    );
    assert.deepEqual((errors ?? []).map((error) => error.message), []);
  });

  test('beside a second Relay subgraph there is no error, and its roots are in the supergraph', () => {
    const { errors, supergraphSdl } = compose(
      sdl,
      `extend schema @link(url: "https://specs.apollo.dev/federation/v2.5", import: ["@key", "@shareable"])
       type Query { node(id: ID!): Node nodes(ids: [ID!]!): [Node]! products(first: Int, after: String): ProductConnection }
       interface Node { id: ID! }
       type Product implements Node @key(fields: "id") { id: ID! name: String }
       type ProductConnection { edges: [ProductEdge!]! pageInfo: PageInfo! }
       type ProductEdge { node: Product! cursor: String! }
       type PageInfo @shareable { hasPreviousPage: Boolean! hasNextPage: Boolean! startCursor: String endCursor: String }`,
    );
    assert.deepEqual((errors ?? []).map((error) => error.message), []);
    const root = parse(supergraphSdl).definitions.find(({ name }) => name?.value === 'Query');
    const node = root.fields.find(({ name }) => name.value === 'node');
    assert.ok(!node.directives.some(({ name }) => name.value === 'inaccessible'));
  });

  test('costs and sizes of lists are in the supergraph', () => {
    const root = parse(supergraphOf(compose(sdl))).definitions.find(({ name }) => name?.value === 'Query');
    const assets = root.fields.find(({ name }) => name.value === 'assets');
    const names = assets.directives.map(({ name }) => name.value);
    assert.ok(names.includes('cost') && names.includes('listSize'), names);
  });

  test('the subgraph imports the directives it uses and no others', () => {
    const used = new Set();
    const imported = [];
    visit(parse(sdl), {
      Directive: ({ name, arguments: given }) => {
        used.add(`@${name.value}`);
        if (name.value === 'link') {
          imported.push(...given.find((one) => one.name.value === 'import').value.values.map(({ value }) => value));
        }
      },
    });
    assert.ok(imported.includes('@key'));
    assert.deepEqual(imported.filter((directive) => !used.has(directive)), []);
  });
});

describe('`_entities`', () => {
  const entities = (representations) =>
    ask(
      assetGateway,
      `query ($representations: [_Any!]!) {
        _entities(representations: $representations) {
          __typename
          ... on Asset { id name kind tags source { id name } }
          ... on AssetSource { id name provider }
        }
      }`,
      { representations },
    );
  const representationOf = ({ id }) => ({ __typename: 'Asset', id });
  const entityOf = (asset) => ({ __typename: 'Asset', ...asset });

  // What is wrong with one representation is told for it, and the others are answered.
  const onlyTheMiddleOneFails = async (representation) => {
    const [first, second] = everything;
    const { data, errors } = await entities([representationOf(first), representation, representationOf(second)]);
    assert.deepEqual(data?._entities, [entityOf(first), null, entityOf(second)], JSON.stringify(errors));
    assert.deepEqual(errors?.map(({ path }) => path), [['_entities', 1]]);
    return errors[0];
  };

  test('answers fifty assets of Scenario in the order asked for', async () => {
    const asked = everything
      .filter(({ source }) => source.name === 'scenario')
      .sort((one, other) => (one.id < other.id ? -1 : 1))
      .slice(0, 50);
    assert.equal(asked.length, 50);
    const { data, errors } = await entities(asked.map(representationOf));
    assert.equal(errors, undefined, JSON.stringify(errors));
    assert.deepEqual(data._entities, asked.map(entityOf));
  });

  test('answers assets of all sources in the order asked for, each as often as it was asked for', async () => {
    const asked = ['piktid', 'scenario', 'comfy', 'scenario', 'piktid'].map((source) =>
      everything.find((asset) => asset.source.name === source),
    );
    const { data, errors } = await entities(asked.map(representationOf));
    assert.equal(errors, undefined, JSON.stringify(errors));
    assert.deepEqual(data._entities, asked.map(entityOf));
  });

  test('finds a source by its key, beside an asset', async () => {
    const [asset] = everything;
    const { data, errors } = await entities([{ __typename: 'AssetSource', id: asset.source.id }, representationOf(asset)]);
    assert.equal(errors, undefined, JSON.stringify(errors));
    assert.deepEqual(data._entities, [
      { __typename: 'AssetSource', ...asset.source, provider: asset.source.name.toUpperCase() },
      entityOf(asset),
    ]);
  });

  test('looks at the key alone where a representation brings more', async () => {
    const [asset] = everything;
    const { data, errors } = await entities([{ ...representationOf(asset), name: 'of another subgraph', stars: 5 }]);
    assert.equal(errors, undefined, JSON.stringify(errors));
    assert.deepEqual(data._entities, [entityOf(asset)]);
  });

  test('is null, and no error, for assets that are gone', async () => {
    const [asset] = everything;
    const { data, errors } = await entities([
      ...idsOfNothing.map((id) => ({ __typename: 'Asset', id })),
      representationOf(asset),
    ]);
    assert.equal(errors, undefined, JSON.stringify(errors));
    assert.deepEqual(data._entities, [null, null, null, entityOf(asset)]);
  });

  test('fails one item for an id that cannot be read', async () => {
    const error = await onlyTheMiddleOneFails({ __typename: 'Asset', id: unreadableId });
    assert.equal(error.extensions.code, 'BAD_USER_INPUT');
  });

  test('fails one item for the id of an asset given as a source', () =>
    onlyTheMiddleOneFails({ __typename: 'AssetSource', id: everything[0].id }));

  test('fails one item for a type that is no entity here', () =>
    onlyTheMiddleOneFails({ __typename: 'Robot', id: everything[0].id }));

  test('fails one item for a type of this graph that is no entity', () =>
    onlyTheMiddleOneFails({ __typename: 'PageInfo', id: everything[0].id }));

  test('fails one item for a representation without its key', () => onlyTheMiddleOneFails({ __typename: 'Asset' }));

  test('fails one item for a key of another type', () => onlyTheMiddleOneFails({ __typename: 'Asset', id: [17] }));

  test('fails one item for a representation that does not say its type', () =>
    onlyTheMiddleOneFails({ id: everything[0].id }));

  test('fails one item for what is no representation', () => onlyTheMiddleOneFails(17));
});

for (const [name, { serve, tellsWhichItemFailed }] of Object.entries(gateways)) {
  describe(`through ${name}`, () => {
    let reviews;
    let supergraph;

    before(async () => {
      reviews = await serveReviews(everything.map(({ id }) => id));
      supergraph = await serve(supergraphOf(compose(sdl, reviewsSdl, reviews.url)));
    });

    after(async () => {
      await supergraph?.close();
      await reviews?.close();
    });

    test('fifty assets that reviews name are filled in, each with its own', async () => {
      const { topReviewed } = await whole(
        supergraph.url,
        `{ topReviewed(first: 50) { id name kind tags source { id name } reviews { text } } }`,
      );
      assert.deepEqual(
        topReviewed,
        everything.slice(0, 50).map((asset) => ({ ...asset, reviews: [{ text: reviewTextOf(asset.id) }] })),
      );
    });

    test('a field of reviews is given the fields of assets that it requires', async () => {
      const { topReviewed } = await whole(supergraph.url, `{ topReviewed(first: 20) { caption } }`);
      assert.deepEqual(
        topReviewed,
        everything.slice(0, 20).map((asset) => ({ caption: captionOf(asset) })),
      );
    });

    test('a list of assets carries the reviews of each', async () => {
      const { assets } = await whole(
        supergraph.url,
        `{ assets(first: 30) { nodes { id name reviews { text } source { name reviewer } } pageInfo { hasNextPage } } }`,
      );
      assert.deepEqual(
        assets.nodes,
        everything.slice(0, 30).map(({ id, name: assetName, source }) => ({
          id,
          name: assetName,
          reviews: [{ text: reviewTextOf(id) }],
          source: { name: source.name, reviewer: reviewerOf(source.id) },
        })),
      );
      assert.equal(assets.pageInfo.hasNextPage, true);
    });

    test('sources that reviews name are filled in', async () => {
      const sources = [...new Map(everything.map(({ source }) => [source.id, source])).values()];
      const { reviewedSources } = await whole(
        supergraph.url,
        `query ($ids: [ID!]!) { reviewedSources(sourceIds: $ids) { id name reviewer capabilities { canTag } } }`,
        { ids: sources.map(({ id }) => id) },
      );
      assert.equal(sources.length, 3);
      assert.deepEqual(
        reviewedSources,
        sources.map((source) => ({ ...source, reviewer: reviewerOf(source.id), capabilities: { canTag: true } })),
      );
    });

    test('one id that cannot be read costs that asset, with its reason, and no other', async () => {
      const [first, second] = everything;
      const { data, errors } = await ask(
        supergraph.url,
        `query ($ids: [ID!]!) { reviewed(assetIds: $ids) { id name kind tags source { id name } } }`,
        { ids: [first.id, unreadableId, second.id] },
      );
      assert.deepEqual(data?.reviewed, [first, null, second], JSON.stringify(errors));
      const refusals = errors.filter(({ extensions }) => extensions?.code === 'BAD_USER_INPUT');
      assert.equal(refusals.length, 1, JSON.stringify(errors));
      assert.match(refusals[0].message, /not an id of this gateway/);
      const place = tellsWhichItemFailed ? ['reviewed', 1] : ['reviewed'];
      assert.deepEqual(refusals[0].path?.slice(0, place.length), place);
    });

    test('an asset that is gone is null, and no other', async () => {
      const [first, second] = everything;
      // Hive Gateway adds errors of its own for `name`, which is never null; Apollo Gateway does not.
      const { data } = await ask(
        supergraph.url,
        `query ($ids: [ID!]!) { reviewed(assetIds: $ids) { id name kind tags source { id name } } }`,
        { ids: [first.id, ...idsOfNothing, second.id] },
      );
      assert.deepEqual(data.reviewed, [first, null, null, null, second]);
    });

    test('pages to the end as the asset gateway itself does', async () => {
      assert.deepEqual(await walk(supergraph.url, 70), everything);
    });

    test('the reason and the code of an error come through, and the rest is whole', async () => {
      const { data, errors } = await ask(supergraph.url, '{ assets(first: 1000) { nodes { id } } assetSources { name } }');
      const { errors: own } = await ask(assetGateway, '{ assets(first: 1000) { nodes { id } } assetSources { name } }');
      assert.deepEqual(data, { assets: null, assetSources: [{ name: 'comfy' }, { name: 'piktid' }, { name: 'scenario' }] });
      assert.equal(errors.length, 1, JSON.stringify(errors));
      assert.equal(errors[0].message, own[0].message);
      assert.equal(errors[0].extensions.code, own[0].extensions.code);
    });

    test('a mutation of assets takes effect, and its answer goes on into reviews', async () => {
      const { id } = everything.at(-1);
      const note = `written through ${name}`;
      const { setAssetNote } = await whole(
        supergraph.url,
        `mutation ($input: SetAssetNoteInput!) {
          setAssetNote(input: $input) { asset { id note reviews { text } } errors { code message } }
        }`,
        { input: { assetId: id, note } },
      );
      assert.deepEqual(setAssetNote, { asset: { id, note, reviews: [{ text: reviewTextOf(id) }] }, errors: [] });
      assert.deepEqual(await whole(assetGateway, `query ($id: ID!) { asset(id: $id) { note } }`, { id }), { asset: { note } });
    });

    test('a mutation of reviews comes back with its asset', async () => {
      const [asset] = everything;
      const { addReview } = await whole(
        supergraph.url,
        `mutation ($id: ID!) {
          addReview(assetId: $id, text: "fine") { text asset { id name kind tags source { id name } } }
        }`,
        { id: asset.id },
      );
      assert.deepEqual(addReview, { text: 'fine', asset });
    });

    test('ten thousand look-ups, fifty a request and eight requests at a time, are all right', async (t) => {
      const perRequest = 50;
      const requests = Array.from({ length: 200 }, (_, request) =>
        Array.from({ length: perRequest }, (_, item) => everything[(request * 37 + item * 11) % everything.length]),
      );
      const started = performance.now();
      const waiting = requests.values();
      const worker = async () => {
        for (const asked of waiting) {
          const { reviewed } = await whole(
            supergraph.url,
            `query ($ids: [ID!]!) { reviewed(assetIds: $ids) { id name kind tags source { id name } } }`,
            { ids: asked.map(({ id }) => id) },
          );
          assert.deepEqual(reviewed, asked);
        }
      };
      await Promise.all(Array.from({ length: 8 }, worker));
      t.diagnostic(`${requests.length * perRequest} look-ups in ${Math.round(performance.now() - started)} ms`);
    });
  });
}
