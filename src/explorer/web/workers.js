// Where Monaco finds its workers. GraphiQL's own `setup-workers/*` do not fit:
// the esm.sh one loads them from a CDN and the others need Vite or webpack. We
// bundle the workers (see build.mjs) and serve them from our own origin, so that
// `worker-src 'self'` is enough: no blob: and no data:.
//
// This module must be imported before anything that imports Monaco.

/* global WORKERS -- put in by build.mjs: {editor, json, graphql} -> URL */
globalThis.MonacoEnvironment = {
  getWorker: (_moduleId, label) => new Worker(WORKERS[label] ?? WORKERS.editor),
};
