import type { LockInfo } from '../../lease/driver.js';
import { type Cases, type Kit, sleep } from './kit.js';

/** Registered for every driver; those without `list` have nothing to show. */
export const listing: Cases = {
  'listing shows the keys that are held, awaited or rest, as inspecting them does': async (kit) => {
    if (!kit.driver.list) return;
    const [held, read, resting, awaited] = ['held', 'read', 'resting', 'awaited'].map((key) => kit.name(key));
    await kit.take({ key: held!, meta: { n: '1' } });
    await kit.take({ key: read!, mode: 'read' });
    await kit.take({ key: read!, mode: 'read', limit: 9 });
    await kit.queue({ key: held!, meta: { n: '2' } });
    await kit.driver.release(await kit.take({ key: resting! }), 20_000);
    await kit.driver.release(await kit.take({ key: awaited! }), 20_000);
    await kit.queue({ key: awaited! });
    const infos = await list(kit, kit.prefix);
    kit.expect(infos.map(({ key }) => key)).toEqual([awaited, held, read, resting]);
    for (const info of infos)
      kit.expect(timeless(info)).toEqual(timeless(await kit.driver.inspect(info.key)));
  },

  'listing shows no key that is idle': async (kit) => {
    if (!kit.driver.list) return;
    kit.expect(await list(kit, kit.prefix)).toEqual([]);
    await kit.driver.release(await kit.take());
    await kit.take({ key: kit.name('expired'), ttl: 300 });
    await kit.driver.release(await kit.take({ key: kit.name('rested') }), 100);
    await sleep(500);
    await kit.untilFree(kit.name('expired'));
    kit.expect(await list(kit, kit.prefix)).toEqual([]);
  },

  'listing takes the prefix as it is, whatever signs are in it': async (kit) => {
    if (!kit.driver.list) return;
    const names = ['a*', 'ab', 'a%', 'a_c', 'abc', 'a?c', 'a[b]c', 'a\\c', 'A*', "a'c", 'é', 'é*'];
    for (const name of names) await kit.take({ key: kit.name(name) });
    for (const name of names) {
      // A name is `<prefix>{<key>}`: without the last brace, all keys that start so.
      const prefix = kit.name(name).slice(0, -1);
      const expected = names.map((each) => kit.name(each)).filter((key) => key.startsWith(prefix));
      kit.expect((await list(kit, prefix)).map(({ key }) => key)).toEqual(expected.sort());
    }
  },

  'listing shows each of many keys once, and can be ended early': async (kit) => {
    const { driver } = kit;
    if (!driver.list) return;
    const keys = Array.from({ length: 250 }, (_, n) => kit.name(`many ${n}`)).sort();
    await Promise.all(keys.map((key) => kit.take({ key })));
    kit.expect((await list(kit, kit.prefix)).map(({ key }) => key)).toEqual(keys);
    let seen = 0;
    for await (const _ of driver.list(kit.prefix)) if (++seen === 3) break;
    kit.expect(seen).toBe(3);
    kit.expect((await list(kit, kit.prefix)).length).toBe(250);
  },
};

/** In the order of their names. */
async function list(kit: Kit, prefix: string): Promise<LockInfo[]> {
  const infos: LockInfo[] = [];
  for await (const info of kit.driver.list!(prefix)) infos.push(info);
  return infos.sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** All but the time left, which has gone on, and but the ms in which a rest ends, which may be rounded. */
function timeless(info: LockInfo | null): unknown {
  return (
    info && {
      ...info,
      rests: info.restsUntil !== undefined,
      restsUntil: 0,
      holders: info.holders.map((holder) => ({ ...holder, ttl: 0 })),
    }
  );
}
