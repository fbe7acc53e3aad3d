#!/bin/sh
# @apollo/composition 2.14.4 (with graphql 16.15.0) does not know `@oneOf`, a directive of the GraphQL
# specification (September 2025): a subgraph that uses it without defining it does not compose, although
# graphql-js builds the same schema. Where subgraphs define it, as `schema` printers do, it composes
# and leaves the directive out of the supergraph, without an error or a hint.
#
# Result: a client of the supergraph sees an input whose fields are all optional. A router passes
# both on, and only the subgraph refuses them. The README says so, and the gateway's subgraph checks.
#
# Seen with Node.js 20 on 2026-11-29:
#   graphql-js alone: oneOf=true
#   undefined: [a] Unknown directive "@oneOf".
#   defined: errors: 0, hints about oneOf: 0, supergraph: oneOf=false
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
printf '{"private":true,"type":"module"}' > package.json
npm install --silent --no-audit --no-fund --ignore-scripts @apollo/composition@2.14.4 graphql@16.15.0
cat > try.mjs <<'JS'
import { composeServices } from '@apollo/composition';
import { buildSchema, parse } from 'graphql';

const choice = 'input Choice @oneOf { id: ID name: String }';
const query = 'type Query { a(by: Choice!): String }';
const link = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])';
const compose = definition =>
  composeServices([{ name: 'a', url: 'http://127.0.0.1/', typeDefs: parse(`${link} ${definition} ${query} ${choice}`) }]);

console.log(`graphql-js alone: oneOf=${buildSchema(`${choice} ${query}`).getType('Choice').isOneOf}`);
console.log(`undefined: ${compose('').errors.map(({ message }) => message).join()}`);
const { errors = [], hints = [], supergraphSdl } = compose('directive @oneOf on INPUT_OBJECT');
const told = hints.filter(({ message }) => /oneOf/i.test(message));
const is = /input Choice[^{]*@oneOf/.test(supergraphSdl);
console.log(`defined: errors: ${errors.length}, hints about oneOf: ${told.length}, supergraph: oneOf=${is}`);
JS
node try.mjs | tee seen
cat > expected <<'TEXT'
graphql-js alone: oneOf=true
undefined: [a] Unknown directive "@oneOf".
defined: errors: 0, hints about oneOf: 0, supergraph: oneOf=false
TEXT
diff expected seen
