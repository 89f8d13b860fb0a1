import type { Grant, LockDriver } from '../../../src/lease/driver.js';
import { type Broken, broken, granting, Lists } from './broken.js';

const left = (grant: Grant) => Math.max(0, grant.validUntil - performance.now());

export const extension: Broken[] = [
  broken('ignores extensions', 'an extension can lengthen the time left', () => ({
    extend: async (grant, ttl) => ({ ...grant, validUntil: performance.now() + ttl - 1 }),
  })),
  broken('adds instead of setting', 'an extension sets the time left: it can shorten it', (right) => ({
    extend: (grant, ttl) => right.extend(grant, left(grant) + ttl),
  })),
  broken(
    'ignores an extension that shortens',
    'an extension sets the time left: it can shorten it',
    (right) => ({
      extend: async (grant, ttl) => right.extend(grant, Math.max(left(grant), ttl)),
    }),
  ),
  broken(
    'only says that it shortens the time left',
    'an extension sets the time left: it can shorten it',
    (right) => ({
      async extend(grant, ttl) {
        const extended = await right.extend(grant, Math.max(left(grant), ttl));
        return extended && { ...extended, validUntil: performance.now() + ttl };
      },
    }),
  ),
  broken(
    'forgets to wake for a shorter time left, where two wait',
    'a shorter time left admits the waiters, one after the other',
    (right) => ({
      async extend(grant, ttl) {
        const waiters = (await right.inspect(grant.key))?.waiters ?? 0;
        if (waiters < 2 || ttl >= left(grant)) return right.extend(grant, ttl);
        return { ...grant, validUntil: performance.now() + ttl };
      },
    }),
  ),
  broken(
    'keeps all readers when it extends one',
    'a longer extension of one reader keeps no other',
    (right) => withOthers(right, () => true),
  ),
  broken(
    'shortens all readers when it shortens one',
    'a shorter extension of one reader shortens no other',
    (right) => withOthers(right, (grant, ttl) => ttl < left(grant) - 100),
  ),
  broken(
    'has one time for all readers, and sets it to that of the one it extended last',
    'an extension of a brief reader does not end what a long one holds',
    (right) => withOthers(right, () => true),
  ),
  broken('prolongs no reader', 'readers that are extended hold on, beyond two of their ttls', (right) => ({
    extend: async (grant, ttl) =>
      grant.mode === 'write'
        ? right.extend(grant, ttl)
        : { ...grant, validUntil: performance.now() + ttl - 1 },
  })),
  broken(
    'answers for many by what is left of them',
    'extending many at once, where offered, answers each in its place',
    (right) => ({
      async extendMany(extensions) {
        const answers = await Promise.all(extensions.map(({ grant, ttl }) => right.extend(grant, ttl)));
        return [...answers.filter((answer) => answer), ...answers.filter((answer) => !answer)];
      },
    }),
  ),
];

/** Extends the other readers of the key too, where `when` says so. */
function withOthers(
  right: LockDriver,
  when: (grant: Grant, ttl: number) => boolean,
): Pick<LockDriver, 'acquire' | 'extend'> {
  const readers = new Lists<Grant>();
  return {
    ...granting(right, (grant) => {
      if (grant.mode === 'read') readers.of(grant.key).push(grant);
      return grant;
    }),
    async extend(grant, ttl) {
      const too = when(grant, ttl) ? readers.of(grant.key) : [];
      for (const other of too) await right.extend(other, ttl);
      return right.extend(grant, ttl);
    },
  };
}
