// Proves that introspection, with everything asked for that it can tell, says what schema.graphql says.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { buildClientSchema, buildSchema, getIntrospectionQuery, lexicographicSortSchema, printSchema } from 'graphql';
import { ask } from './support.mjs';

test('introspection and schema.graphql are the same schema', async () => {
  const introspection = await ask(getIntrospectionQuery({
    descriptions: true,
    specifiedByUrl: true,
    directiveIsRepeatable: true,
    schemaDescription: true,
    inputValueDeprecation: true,
    oneOf: true,
  }));
  // That of `__schema` is the engine's, which schema.graphql leaves out.
  introspection.__schema.description = null;
  const printed = schema => printSchema(lexicographicSortSchema(schema));
  const committed = buildSchema(await readFile(new URL('schema.graphql', import.meta.url), 'utf8'));
  assert.equal(printed(buildClientSchema(introspection)), printed(committed));
});
