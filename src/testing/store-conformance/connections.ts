import { StoreError } from '../../engine/store.js';
import { reasonOf, type StoreCases, sleep, until } from './kit.js';

export const connections: StoreCases = {
  'it is asked whether it serves': async (kit) => {
    await kit.one.store.ping();
  },

  'a batch may be as large as it says': async (kit) => {
    const { fencesPerClaim, renewBatch, leaveBatch } = kit.one.store.limits;
    for (const size of [renewBatch, leaveBatch]) kit.expect(Number.isInteger(size) && size >= 1).toBe(true);
    kit.expect(Number.isInteger(fencesPerClaim) && fencesPerClaim >= 0).toBe(true);
  },

  'a store that is closed rejects with a StoreError, and sends nothing': async (kit) => {
    await kit.one.store.close();
    const { one, key } = kit;
    const calls = [
      one.try(),
      one.wait(),
      one.free({ token: 'a' }),
      one.store.leave(key, ['a'], false),
      one.store.renew([{ key, token: 'a', mode: 'write', ttl: 1_000, sequence: 1 }]),
      one.store.revoke(key, 1, 0),
      one.store.read(key),
      one.store.ping(),
    ];
    for (const reason of await Promise.all(calls.map(reasonOf))) {
      kit.expect(reason instanceof StoreError).toBe(true);
      kit.expect((reason as StoreError).code).toBe('LOCK_BACKEND');
      kit.expect((reason as StoreError).outcome).toBe('not-sent');
    }
    kit.expect(await kit.two.store.read(key)).toBe(null);
  },

  'what is on its way when it closes is settled': async (kit) => {
    const calls = [kit.one.try(), kit.one.store.read(kit.key), kit.one.store.ping()];
    let results: PromiseSettledResult<unknown>[] = [];
    void Promise.allSettled(calls).then((all) => {
      results = all;
    });
    await kit.one.store.close();
    await until(() => results.length > 0, 'the calls to be settled');
    for (const result of results) {
      if (result.status === 'fulfilled') continue;
      kit.expect(result.reason instanceof StoreError).toBe(true);
      // A store may send no more than a few calls at once.
      kit.expect(['unknown', 'not-sent'].includes((result.reason as StoreError).outcome)).toBe(true);
    }
  },

  'closing twice is closing once, and leaves what is held': async (kit) => {
    const grant = await kit.one.take();
    await kit.one.store.close();
    await kit.one.store.close();
    kit.expect((await kit.two.store.read(kit.key))?.holders[0]?.fence).toBe(grant.fence);
    kit.expect(await kit.two.free(grant)).toBe('freed');
  },

  'nothing is told after it was closed': async (kit) => {
    const holder = await kit.one.take();
    await kit.two.stand('a');
    const closed = kit.two.store.close();
    await kit.one.free(holder);
    await closed;
    const told = kit.two.granted.length;
    await sleep(100);
    kit.expect(kit.two.granted.length).toBe(told);
  },
};
