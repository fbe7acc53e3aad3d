// graphcache's `updates`: after a delete, the asset leaves every cached list at once. To invalidate the asset
// alone is not enough: its edges stay, and a list with a missing node is no result.

/** What the fields of a cached object link to: objects and connections, by their keys. */
const linksOf = (cache, owner) =>
  cache.inspectFields(owner).map(({ fieldKey }) => cache.resolve(owner, fieldKey)).filter(key => typeof key === 'string');

function removeFromLists(cache, id) {
  const asset = cache.keyOfEntity({ __typename: 'Asset', id });
  // Lists are below the query, below a source (`assets`) and below the asset's parent (`children`).
  const owners = new Set(['Query', cache.resolve(asset, 'source'), cache.resolve(asset, 'parent')]);
  for (const key of linksOf(cache, 'Query')) if (/^Asset(Source)?:/.test(key)) owners.add(key);
  for (const owner of owners) {
    if (typeof owner !== 'string') continue;
    for (const list of linksOf(cache, owner)) {
      const edges = cache.resolve(list, 'edges');
      if (Array.isArray(edges)) cache.link(list, 'edges', edges.filter(edge => cache.resolve(edge, 'node') !== asset));
      const nodes = cache.resolve(list, 'nodes');
      if (Array.isArray(nodes)) cache.link(list, 'nodes', nodes.filter(node => node !== asset));
    }
  }
  cache.invalidate(asset);
}

export const updates = {
  Mutation: {
    deleteAsset({ deleteAsset }, _variables, cache) {
      if (deleteAsset?.deletedId) removeFromLists(cache, deleteAsset.deletedId);
    },
    bulkDeleteAssets({ bulkDeleteAssets }, _variables, cache) {
      for (const id of bulkDeleteAssets?.deletedIds ?? []) removeFromLists(cache, id);
    },
  },
};
