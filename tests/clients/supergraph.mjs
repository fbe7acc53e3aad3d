// Serves a supergraph through each of two gateways, as their manuals say and with nothing set that is not needed.
import { createServer } from 'node:http';
import { ApolloGateway } from '@apollo/gateway';
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { createGatewayRuntime } from '@graphql-hive/gateway-runtime';

export const ask = async (url, query, variables = {}) => {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  return answer.json();
};

const serveWithApollo = async (supergraphSdl) => {
  const server = new ApolloServer({ gateway: new ApolloGateway({ supergraphSdl }) });
  const { url } = await startStandaloneServer(server, { listen: { host: '127.0.0.1', port: 0 } });
  return { url, close: () => server.stop() };
};

const serveWithHive = async (supergraph) => {
  const gateway = createGatewayRuntime({ supergraph, logging: false });
  const server = createServer(gateway);
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${server.address().port}/graphql`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
      await gateway[Symbol.asyncDispose]();
    },
  };
};

// Hive Gateway leaves the index out of the path of an entity's error, whatever the subgraph says.
export const gateways = {
  'Apollo Gateway': { serve: serveWithApollo, tellsWhichItemFailed: true },
  'Hive Gateway': { serve: serveWithHive, tellsWhichItemFailed: false },
};
