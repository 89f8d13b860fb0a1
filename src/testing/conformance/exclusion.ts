import type { Cases } from './kit.js';

const STRANGE = [
  'a b',
  ' a',
  '{a}',
  '}{',
  '%7Ba%7D',
  'a:b',
  'é',
  '鍵 🔑',
  '*?[]',
  `'"\\`,
  'line\nbreak',
  'k'.repeat(1_024),
];

export const exclusion: Cases = {
  'a driver answers a ping': async ({ driver, expect }) => {
    expect(await driver.ping()).toBe(undefined);
  },

  'a grant repeats what was asked for': async (kit) => {
    const { token, mode, key } = await kit.take({ token: 'owner', mode: 'read' });
    kit.expect({ token, mode, key }).toEqual({ token: 'owner', mode: 'read', key: kit.key });
  },

  'a held key is given to nobody else': async (kit) => {
    const grant = await kit.take();
    kit.expect(await kit.ask()).toBe(null);
    kit.expect(await kit.ask({ mode: 'read' })).toBe(null);
    kit.expect(await kit.driver.release(grant)).toBe(true);
    await kit.expectFree();
  },

  'one key does not touch another, however alike': async (kit) => {
    for (const key of ['a', 'A', 'a:fence', 'a:queue', 'fence', ...STRANGE].map((name) => kit.name(name))) {
      await kit.take({ key });
      kit.expect(await kit.ask({ key })).toBe(null);
    }
  },

  'any text may be a key': async (kit) => {
    for (const key of STRANGE.map((name) => kit.name(name))) {
      const grant = await kit.take({ key });
      kit.expect((await kit.driver.inspect(key))?.holders.length).toBe(1);
      kit.expect((await kit.driver.extend(grant, 5_000))?.fence).toBe(grant.fence);
      kit.expect(await kit.driver.release(grant)).toBe(true);
      await kit.expectFree(key);
    }
  },
};
