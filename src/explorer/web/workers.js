// Where Monaco finds its workers. GraphiQL's own `setup-workers/*` are of no
// use here: the esm.sh one loads them from a CDN and the others need Vite or
// webpack. The workers are bundles of ours (see build.mjs), served from our
// own origin, so that `worker-src 'self'` is enough: no blob: and no data:.
//
// This module must be imported before anything that imports Monaco.

/* global WORKERS -- put in by build.mjs: {editor, json, graphql} -> URL */
globalThis.MonacoEnvironment = {
  getWorker: (_moduleId, label) => new Worker(WORKERS[label] ?? WORKERS.editor),
};
