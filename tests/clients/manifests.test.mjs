// Proves that the manifests of trusted documents, as the clients' tools make them, hold every document under its hash.
// They are left in generated/ for a gateway that takes these documents only.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { buildSchema, parse, validate } from 'graphql';
import { compileRelay, makeApolloManifest, runCodegen } from './tools.mjs';

const generated = new URL('generated/', import.meta.url);
const read = async name => JSON.parse(await readFile(new URL(name, generated), 'utf8'));
const hash = (algorithm, text) => createHash(algorithm).update(text).digest('hex');
const schema = buildSchema(await readFile(new URL('schema.graphql', import.meta.url), 'utf8'));

function checkDocuments(documents, idOf) {
  assert.ok(documents.length > 0);
  for (const [id, text] of documents) {
    assert.equal(id, idOf(text));
    assert.deepEqual(validate(schema, parse(text)), []);
  }
}

test("Relay's persisted queries", async () => {
  await compileRelay();
  checkDocuments(Object.entries(await read('relay-persisted-queries.json')), text => hash('md5', text));
});

test("Apollo's manifest", async () => {
  await mkdir(generated, { recursive: true });
  await makeApolloManifest();
  const { format, version, operations } = await read('apollo-manifest.json');
  assert.deepEqual({ format, version }, { format: 'apollo-persisted-query-manifest', version: 1 });
  checkDocuments(operations.map(({ id, body }) => [id, body]), text => hash('sha256', text));
});

test("codegen's persisted documents", async () => {
  await mkdir(generated, { recursive: true });
  await runCodegen();
  await copyFile(
    new URL('codegen/generated/persisted-documents.json', import.meta.url),
    new URL('codegen-persisted-documents.json', generated),
  );
  checkDocuments(Object.entries(await read('codegen-persisted-documents.json')), text => `sha256:${hash('sha256', text)}`);
});
