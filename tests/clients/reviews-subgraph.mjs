// A second subgraph, as another team would write it: reviews of assets and of sources, knowing of both nothing but their ids.
import { createServer } from 'node:http';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { parse } from 'graphql';
import { createHandler } from 'graphql-http/lib/use/http';

export const reviewsSdl = `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.5", import: ["@external", "@key", "@requires", "@shareable"])

  type Query {
    "Assets by how well they are reviewed."
    topReviewed(first: Int!): [Asset]!
    "Assets by id, whether or not there are such."
    reviewed(assetIds: [ID!]!): [Asset]!
    reviews(first: Int!): ReviewConnection!
    "Sources by id."
    reviewedSources(sourceIds: [ID!]!): [AssetSource]!
  }

  type Mutation {
    addReview(assetId: ID!, text: String!): Review!
  }

  interface Node {
    id: ID!
  }

  type Asset @key(fields: "id") {
    id: ID!
    name: String! @external
    tags: [String!]! @external
    "Made here, of what the asset gateway knows."
    caption: String! @requires(fields: "name tags")
    reviews: [Review!]!
  }

  type AssetSource @key(fields: "id") {
    id: ID!
    reviewer: String!
  }

  type Review implements Node @key(fields: "id") {
    id: ID!
    text: String!
    asset: Asset
  }

  type ReviewConnection {
    nodes: [Review!]!
    pageInfo: PageInfo!
  }

  type PageInfo @shareable {
    hasPreviousPage: Boolean!
    hasNextPage: Boolean!
    startCursor: String
    endCursor: String
  }
`;

export const captionOf = ({ name, tags }) => `${name}: ${tags.join(', ')}`;
export const reviewTextOf = (assetId) => `a review of ${assetId}`;
export const reviewerOf = (sourceId) => `who reviews ${sourceId}`;

const reviewOf = (assetId) => ({ id: `review:${assetId}`, text: reviewTextOf(assetId), asset: { id: assetId } });

const resolversFor = (assetIds) => ({
  Query: {
    topReviewed: (_, { first }) => assetIds.slice(0, first).map((id) => ({ id })),
    reviewed: (_, { assetIds: asked }) => asked.map((id) => ({ id })),
    reviews: (_, { first }) => ({
      nodes: assetIds.slice(0, first).map(reviewOf),
      pageInfo: { hasPreviousPage: false, hasNextPage: first < assetIds.length },
    }),
    reviewedSources: (_, { sourceIds }) => sourceIds.map((id) => ({ id })),
  },
  Mutation: {
    addReview: (_, { assetId, text }) => ({ ...reviewOf(assetId), text }),
  },
  Asset: {
    __resolveReference: (representation) => representation,
    caption: captionOf,
    reviews: ({ id }) => [reviewOf(id)],
  },
  AssetSource: {
    __resolveReference: ({ id }) => ({ id }),
    reviewer: ({ id }) => reviewerOf(id),
  },
  Review: {
    __resolveReference: ({ id }) => reviewOf(id.slice('review:'.length)),
  },
});

// Serves the subgraph on loopback; `assetIds` are the assets it has reviews of, the best first.
export const serveReviews = async (assetIds) => {
  const schema = buildSubgraphSchema({ typeDefs: parse(reviewsSdl), resolvers: resolversFor(assetIds) });
  const server = createServer(createHandler({ schema }));
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close: () => {
      server.closeAllConnections();
      return new Promise((closed) => server.close(closed));
    },
  };
};
