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

test('finds a timer and a socket that stay', async () => {
  const watch = watchForLeaks();
  const timer = setTimeout(() => {}, 60_000);
  const server = createServer().listen(0);
  await expect(watch.assertNone()).rejects.toThrow(/still open: .*TCPServerWrap.*Timeout/);
  clearTimeout(timer);
  server.close();
});
