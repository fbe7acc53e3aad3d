// Proves that the gateway judges documents as graphql-js does: generated ones, valid and invalid.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { buildSchema, parse, validate } from 'graphql-17';
import { DocumentGenerator } from './generated-documents.mjs';
import { gatewayUrl } from './support.mjs';

const schema = buildSchema(await readFile(new URL('schema.graphql', import.meta.url), 'utf8'));
const DOCUMENTS = Number(process.env.DOCUMENTS ?? 2000);
const SEED = Number(process.env.SEED ?? 1);
/// A name that no operation has, so that nothing is executed.
const ABSENT_OPERATION = 'NotInTheDocument';

/// What graphql-js finds wrong first; `null` for a valid document.
function faultByGraphqlJs(text) {
  try {
    return validate(schema, parse(text))[0] ?? null;
  } catch (error) {
    return error;
  }
}

/// What the gateway finds wrong; `null` for a valid document, `undefined` for one over a limit.
async function faultByGateway(query) {
  const response = await fetch(gatewayUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify({ query, operationName: ABSENT_OPERATION }),
  });
  const { errors } = await response.json();
  const [error] = errors;
  if (error.message.includes('operationName')) return null;
  return ['GRAPHQL_VALIDATION_FAILED', 'GRAPHQL_PARSE_FAILED'].includes(error.extensions.code) ? error : undefined;
}

test('generated documents are valid for the gateway where they are for graphql-js', async () => {
  const judged = { valid: 0, invalid: 0, overLimit: 0 };
  const different = [];
  for (let index = 0; index < DOCUMENTS; index += 1) {
    const text = new DocumentGenerator(schema, SEED * 1_000_003 + index).document();
    const expected = faultByGraphqlJs(text);
    const actual = await faultByGateway(text);
    if (actual === undefined) {
      judged.overLimit += 1;
    } else {
      judged[expected === null ? 'valid' : 'invalid'] += 1;
      if ((actual === null) !== (expected === null)) {
        different.push({ text, graphqlJs: expected?.message ?? 'valid', gateway: actual?.message ?? 'valid' });
      }
    }
  }
  console.log(judged);
  assert.deepEqual(different, []);
  assert.ok(judged.valid > DOCUMENTS / 5 && judged.invalid > DOCUMENTS / 5, JSON.stringify(judged));
});
