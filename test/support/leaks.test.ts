import { createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import { watchForLeaks } from './leaks.js';
import { sleep } from './wait.js';

test('finds a rejection that was handled too late, and none where all is well', async () => {
  const watch = watchForLeaks();
  const rejected = Promise.reject(new Error('late'));
  await sleep(20);
  await rejected.catch(() => {});
  await expect(watch.assertNone()).rejects.toThrow('unhandled: Error: late');
  await watchForLeaks().assertNone();
});

test('finds timers and sockets that stay', async () => {
  const watch = watchForLeaks();
  // Those that an earlier test file of this process left behind may end meanwhile: so more than there are.
  const many = Array.from({ length: process.getActiveResourcesInfo().length + 1 });
  const timers = many.map(() => setTimeout(() => {}, 60_000));
  const servers = many.map(() => createServer().listen(0));
  await expect(watch.assertNone()).rejects.toThrow(/still open: .*TCPServerWrap.*Timeout/);
  for (const timer of timers) clearTimeout(timer);
  for (const server of servers) server.close();
});
