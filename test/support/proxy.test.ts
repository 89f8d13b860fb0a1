import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { startProxy, type TcpProxy } from './proxy.js';
import { sleep, until } from './wait.js';

let echo: Server;
let proxy: TcpProxy;
const received: string[] = [];

beforeEach(async () => {
  received.length = 0;
  echo = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      received.push(`${data}`);
      socket.write(data);
    });
  });
  await once(echo.listen(0, '127.0.0.1'), 'listening');
  proxy = await startProxy((echo.address() as AddressInfo).port);
});

afterEach(async () => {
  await proxy.close();
  echo.close();
});

function dial(): { socket: Socket; heard: () => string; fault: () => string } {
  const socket = connect(proxy.port, '127.0.0.1');
  let heard = '';
  let fault = '';
  socket.on('data', (data) => {
    heard += data;
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    fault = error.code ?? '';
  });
  return { socket, heard: () => heard, fault: () => fault };
}

test('passes bytes, late when told to', async () => {
  const { socket, heard } = dial();
  socket.write('a');
  await until(() => heard() === 'a');
  proxy.delay(60);
  const start = performance.now();
  socket.write('b');
  await until(() => heard() === 'ab');
  expect(performance.now() - start).toBeGreaterThan(110);
  expect(proxy.connections).toBe(1);
  socket.destroy();
  await until(() => proxy.connections === 0);
});

test('a black hole swallows until it ends, then gives back', async () => {
  const { socket, heard } = dial();
  proxy.blackhole();
  socket.write('a');
  await sleep(50);
  expect(received).toEqual([]);
  proxy.passThrough();
  await until(() => heard() === 'a');
});

test('drops replies, and resets a connection that lost one', async () => {
  const { socket, heard, fault } = dial();
  socket.write('a');
  await until(() => heard() === 'a');
  proxy.dropReplies(1);
  socket.write('b');
  await until(() => received.includes('b'));
  const other = dial();
  await sleep(50);
  other.socket.write('c');
  await until(() => other.heard() === 'c');
  expect(heard()).toBe('a');
  proxy.passThrough();
  await until(() => fault() === 'ECONNRESET');
});

test('half-closes, resets, refuses and accepts again', async () => {
  const half = dial();
  half.socket.write('a');
  await until(() => half.heard() === 'a');
  proxy.halfClose();
  await once(half.socket, 'end');

  const broken = dial();
  broken.socket.write('a');
  await until(() => broken.heard() === 'a');
  proxy.reset();
  await until(() => broken.fault() === 'ECONNRESET');

  proxy.refuse();
  const refused = dial();
  await until(() => refused.fault() === 'ECONNREFUSED');
  await proxy.accept();
  const accepted = dial();
  accepted.socket.write('a');
  await until(() => accepted.heard() === 'a');
});
