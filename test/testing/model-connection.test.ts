import { expect, test } from '@jest/globals';
import type { StoreEvents } from '../../src/engine/store.js';
import { FakeClock, type ModelLink, ModelServer } from '../../src/testing/index.js';

/** In which order a holder learns of its grant, and of the revocation that the server made right after that. */
async function order(link: Partial<ModelLink>, ordered: boolean): Promise<string[]> {
  const clock = new FakeClock(1_000);
  const server = new ModelServer({ clock });
  const store = server.connect({ link, ordered });
  const told: string[] = [];
  store.open({
    ready: () => {},
    lost: () => {},
    lookIn: () => {},
    granted: () => {},
    revoked: () => told.push('revoked'),
  } satisfies StoreEvents);
  await clock.advance(100);
  const claim = { key: 'k', token: 't', mode: 'write', limit: Infinity, ttl: 60_000, meta: {} } as const;
  void store.claim(claim).then((answer) => {
    if (answer.granted) told.push('granted');
  });
  while ([...server.lock('k').holds].length === 0) await clock.advance(1);
  const [hold] = server.lock('k').holds;
  server.lock('k').revoke(hold!.fence, 0);
  await clock.advance(100);
  return told;
}

test.each([
  ['over one connection, an answer comes before a later message', {}, true, ['granted', 'revoked']],
  ['what is read at once tells the message first', { reads: () => 9 }, true, ['revoked', 'granted']],
  ['over two, what is read at once is of one of them', { reads: () => 9 }, false, ['granted', 'revoked']],
])('%s', async (_, link, ordered, told) => {
  expect(await order({ latency: () => 5, ...link }, ordered)).toEqual(told);
});

test.each([
  [30, ['revoked', 'granted']],
  [1, ['granted', 'revoked']],
])('over two connections, an answer that takes %i ms keeps no order with messages', async (ms, told) => {
  const latency: ModelLink['latency'] = (what) => (what === 'answer' ? ms : 10);
  expect(await order({ latency }, false)).toEqual(told);
});
