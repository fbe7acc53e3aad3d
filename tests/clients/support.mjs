// What all client tests share: the gateway's address, a plain request beside the client under test, and pictures to upload.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { crc32, deflateSync } from 'node:zlib';

assert.ok(process.env.ASSET_GATEWAY_URL, 'ASSET_GATEWAY_URL must hold the address of the graph');
export const gatewayUrl = process.env.ASSET_GATEWAY_URL;

const rulesOf = async name => JSON.parse(await readFile(new URL(`rules/${name}.json`, import.meta.url), 'utf8'));
/// The rules for caches that applications copy, of examples/clients.
export const rules = {
  policies: await rulesOf('apollo-policies'),
  possibleTypes: await rulesOf('possible-types'),
  partTypes: Object.keys(await rulesOf('urql-keys')),
};

/// Asks the gateway without any client, to compare what a client made of its answers.
export async function ask(query, variables = {}) {
  const response = await fetch(gatewayUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

const LIST = `query($filter: AssetFilter, $after: String) {
  assets(first: 100, filter: $filter, after: $after) { nodes { id } totalCount pageInfo { hasNextPage endCursor } }
}`;

/// All ids of one source: its exact count is checked against what it says, where it does.
async function idsOfSource(name) {
  const ids = [];
  let after = null;
  for (;;) {
    const { assets } = await ask(LIST, { filter: { sources: [name] }, after });
    ids.push(...assets.nodes.map(node => node.id));
    if (!assets.pageInfo.hasNextPage) {
      if (assets.totalCount !== null) assert.equal(ids.length, assets.totalCount);
      return ids;
    }
    after = assets.pageInfo.endCursor;
  }
}

/// The ids of every source's own list: what a walk over the merged list must find, each once.
export async function idsOfAllSources() {
  const { assetSources: sources } = await ask('{ assetSources { name } }');
  const lists = await Promise.all(sources.map(({ name }) => idsOfSource(name)));
  return lists.flat().sort();
}

/// A PNG of one pixel in a random colour, so that no source has its bytes already.
export function png() {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    frame.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const header = Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, 16, 6, 0, 0, 0]);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.concat([Buffer.alloc(1), randomBytes(8)]))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

export const pngFile = name => new File([png()], name, { type: 'image/png' });

/// Uploads a picture without any client, for tests that need an asset of their own.
export async function uploadedAsset(name, input = {}) {
  const { uploadAsset } = await ask(
    'mutation($input: UploadAssetInput!) { uploadAsset(input: $input) { asset { id upstreamId } errors { code message } } }',
    { input: { source: 'comfy', name, base64: png().toString('base64'), ...input } },
  );
  assert.deepEqual(uploadAsset.errors, []);
  return uploadAsset.asset;
}
