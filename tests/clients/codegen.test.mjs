// Proves that codegen makes types of the schema that an application in strict TypeScript compiles against.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCodegen, runTool } from './tools.mjs';

test('codegen and the strict compiler have nothing to say', async () => {
  assert.equal(await runCodegen(), '');
  assert.equal(await runTool('tsc', ['--project', 'codegen']), '');
});
