// Proves that the gateway keeps the GraphQL over HTTP specification, by every audit of graphql-http.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serverAudits } from 'graphql-http';
import { gatewayUrl as url } from './support.mjs';


// The package may learn new audits, but must not quietly lose what it asks today.
const auditsToday = 61;

const described = async ({ reason, response }) => {
  const body = response.bodyUsed ? '(its body was read by the audit)' : await response.text();
  return `${reason}\nanswer: ${response.status} ${response.headers.get('content-type')}\n${body}`;
};

const audits = serverAudits({ url, fetchFn: fetch });

test('graphql-http asks no less than it did', () => {
  assert.ok(audits.length >= auditsToday, `${audits.length} audits`);
});

// A MAY is held too: the gateway has chosen the recommended side of each.
for (const audit of audits) {
  test(`${audit.name} (${audit.id})`, async () => {
    const result = await audit.fn();
    assert.equal(result.status, 'ok', result.status === 'ok' ? undefined : await described(result));
  });
}
