/**
 * Who is measured inside one process. Each has, as far as it can:
 *   uncontended(keys, passes)  locks and unlocks every key, one after the other
 *   write(key, work), read(…)  one caller: waits, works, leaves
 *   timeOut(key, ms)           rejects, for the key is held
 *   hold(keys)                 holds them; resolves to what a user must keep for that
 *   wait(key)                  one caller who waits
 */
import asyncLock from './contenders/async-lock.mjs';
import { keptMap, oneMutex, tidyMap } from './contenders/async-mutex.mjs';
import bare from './contenders/bare.mjs';
import latchkey from './contenders/latchkey.mjs';
import verrou from './contenders/verrou.mjs';

export const contenders = [latchkey, bare, oneMutex, keptMap, tidyMap, asyncLock, verrou];
export { asyncLock, bare, keptMap, latchkey, oneMutex, tidyMap, verrou };
