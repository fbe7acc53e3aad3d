// Proves that introspection says what schema.graphql says, to clients of today and to older ones.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { buildClientSchema, buildSchema, getIntrospectionQuery, lexicographicSortSchema, printSchema } from 'graphql';
import * as graphql15 from 'graphql-15';
import { ask } from './support.mjs';

const committedSdl = await readFile(new URL('schema.graphql', import.meta.url), 'utf8');

/// Introspection has what federated gateways ask for, which schema.graphql leaves out.
const withoutFederation = introspection => {
  const { types } = introspection.__schema;
  introspection.__schema.types = types.filter(({ name }) => !/^_(?!_)/.test(name));
  const query = types.find(({ name }) => name === 'Query');
  query.fields = query.fields.filter(({ name }) => !name.startsWith('_'));
  return introspection;
};

test('introspection and schema.graphql are the same schema', async () => {
  const introspection = withoutFederation(await ask(getIntrospectionQuery({
    descriptions: true,
    specifiedByUrl: true,
    directiveIsRepeatable: true,
    schemaDescription: true,
    inputValueDeprecation: true,
    oneOf: true,
  })));
  // That of `__schema` is the engine's, which schema.graphql leaves out.
  introspection.__schema.description = null;
  const printed = schema => printSchema(lexicographicSortSchema(schema));
  assert.equal(printed(buildClientSchema(introspection)), printed(buildSchema(committedSdl)));
});

test('graphql-js 15.8 builds the whole schema from its own introspection', async () => {
  const introspection = withoutFederation(await ask(graphql15.getIntrospectionQuery()));
  const schema = graphql15.buildClientSchema(introspection);
  assert.deepEqual(graphql15.validateSchema(schema), []);
  const names = built => Object.keys(built.getTypeMap()).filter(name => !name.startsWith('__')).sort();
  assert.deepEqual(names(schema), names(buildSchema(committedSdl)));
});
