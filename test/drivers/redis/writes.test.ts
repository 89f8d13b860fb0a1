import { nextTick } from 'node:process';
import { Writable } from 'node:stream';
import { expect, test } from '@jest/globals';
import type { Redis } from 'ioredis';
import { Writes } from '../../../src/drivers/redis/writes.js';

/** How many commands leave together, where so many are sent in one turn. */
async function leaving(turns: readonly number[]): Promise<number[]> {
  const left: number[] = [];
  const stream = new Writable({
    write: (_chunk, _encoding, done) => {
      left.push(1);
      done();
    },
    writev: (chunks, done) => {
      left.push(chunks.length);
      done();
    },
  });
  const writes = new Writes({ stream } as unknown as Redis);
  for (const commands of turns) {
    for (let i = 0; i < commands; i++) {
      writes.gather();
      stream.write('x');
    }
    await new Promise<void>((resolve) => nextTick(() => setImmediate(resolve)));
    expect(stream.writableCorked).toBe(0);
  }
  return left;
}

test('the first command of a turn leaves at once, those after it sixteen at a time', async () => {
  expect(await leaving([40])).toEqual([1, 16, 16, 7]);
  expect(await leaving([33])).toEqual([1, 16, 16]);
  expect(await leaving([34])).toEqual([1, 16, 16, 1]);
});

test('each turn has its own first command', async () => {
  expect(await leaving([1, 1, 3, 1])).toEqual([1, 1, 1, 2, 1]);
});
