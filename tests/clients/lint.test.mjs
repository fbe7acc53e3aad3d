// Proves that the schema keeps the Relay connection specification as the rules of graphql-eslint read it.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import graphqlPlugin from '@graphql-eslint/eslint-plugin';

const projectDirectory = fileURLToPath(new URL('.', import.meta.url));
const schemaFile = `${projectDirectory}schema.graphql`;

const relayRules = {
  '@graphql-eslint/relay-arguments': ['error', { includeBoth: true }],
  '@graphql-eslint/relay-connection-types': 'error',
  '@graphql-eslint/relay-edge-types': [
    'error',
    // `listTypeCanWrapOnlyEdgeType` forbids every other list, `tags: [String!]!` too, which no specification asks for.
    { withEdgeSuffix: true, shouldImplementNode: true, listTypeCanWrapOnlyEdgeType: false },
  ],
  '@graphql-eslint/relay-page-info': 'error',
};

async function findings(schemaText) {
  const eslint = new ESLint({
    cwd: projectDirectory,
    overrideConfigFile: true,
    overrideConfig: {
      files: ['**/*.graphql'],
      plugins: { '@graphql-eslint': graphqlPlugin },
      languageOptions: { parser: graphqlPlugin.parser, parserOptions: { graphQLConfig: { schema: schemaText } } },
      rules: relayRules,
    },
  });
  const results = await eslint.lintText(schemaText, { filePath: schemaFile });
  return results.flatMap(({ messages }) => messages);
}

test('the Relay rules find nothing in the schema', async () => {
  assert.deepEqual(await findings(await readFile(schemaFile, 'utf8')), []);
});

test('each rule finds its own mistake when one is planted', async () => {
  const schema = await readFile(schemaFile, 'utf8');
  const mistakes = {
    '@graphql-eslint/relay-arguments': [/first: Int,/, 'first: String,'],
    '@graphql-eslint/relay-connection-types': ['edges: [AssetEdge!]!', 'edges: AssetEdge!'],
    '@graphql-eslint/relay-edge-types': ['cursor: String!', 'cursor: [String!]!'],
    '@graphql-eslint/relay-page-info': ['hasNextPage: Boolean!', 'hasNextPage: Boolean'],
  };
  for (const [ruleId, [right, wrong]] of Object.entries(mistakes)) {
    const found = await findings(schema.replace(right, wrong));
    assert.deepEqual([...new Set(found.map(finding => finding.ruleId))], [ruleId]);
  }
});
