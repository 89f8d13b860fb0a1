import { BRIEF, type Cases, LONG } from './kit.js';

export const readers: Cases = {
  'readers hold together, and keep a writer out until the last one leaves': async (kit) => {
    const first = await kit.take({ mode: 'read' });
    const second = await kit.take({ mode: 'read' });
    kit.expect(await kit.ask()).toBe(null);
    kit.expect(await kit.driver.release(first)).toBe(true);
    kit.expect(await kit.ask()).toBe(null);
    kit.expect(await kit.driver.release(second)).toBe(true);
    await kit.expectFree();
  },

  'a reader behind a waiting writer waits for it': async (kit) => {
    const reader = await kit.take({ mode: 'read' });
    const writer = await kit.queue();
    kit.expect(await kit.ask({ mode: 'read' })).toBe(null);
    const late = await kit.queue({ mode: 'read' });
    await kit.expectPending(late.granted);
    await kit.driver.release(reader);
    const written = await writer.granted;
    await kit.expectPending(late.granted);
    await kit.driver.release(written);
    await late.granted;
  },

  'readers that are next to each other in the queue enter together': async (kit) => {
    const writer = await kit.take();
    const queue = [await kit.queue({ mode: 'read' }), await kit.queue({ mode: 'read' }), await kit.queue()];
    const last = await kit.queue({ mode: 'read' });
    await kit.driver.release(writer);
    const together = await Promise.all(queue.slice(0, 2).map(({ granted }) => granted));
    await kit.expectPending(queue[2]!.granted);
    for (const reader of together) await kit.driver.release(reader);
    const second = await queue[2]!.granted;
    await kit.expectPending(last.granted);
    await kit.driver.release(second);
    await last.granted;
  },

  'many readers behind a waiting writer wait for it, also when another reader leaves': async (kit) => {
    const inside = [await kit.take({ mode: 'read' }), await kit.take({ mode: 'read' })];
    const writer = await kit.queue();
    const late = [];
    for (let n = 0; n < 5; n++) late.push(await kit.queue({ mode: 'read' }));
    await kit.expectPending(Promise.race(late.map(({ granted }) => granted)));
    kit.expect(await kit.driver.release(inside[0]!)).toBe(true);
    await kit.expectPending(Promise.race(late.map(({ granted }) => granted)));
    kit.expect(await kit.driver.release(inside[1]!)).toBe(true);
    const written = await writer.granted;
    await kit.expectPending(Promise.race(late.map(({ granted }) => granted)));
    await kit.driver.release(written);
    await Promise.all(late.map(({ granted }) => granted));
  },

  'any number of readers hold together': async (kit) => {
    const grants = await Promise.all(Array.from({ length: 150 }, () => kit.take({ mode: 'read' })));
    kit.expect(await kit.ask()).toBe(null);
    kit.expect((await kit.driver.inspect(kit.key))?.holders.length).toBe(150);
    for (const grant of grants) kit.expect(await kit.driver.release(grant)).toBe(true);
    await kit.expectFree();
  },

  'any number of readers that wait enter together': async (kit) => {
    const writer = await kit.take();
    const waiting = Array.from({ length: 150 }, () => kit.take({ mode: 'read', wait: LONG }));
    await kit.expectWaiters(150);
    await kit.driver.release(writer);
    const grants = await Promise.all(waiting);
    kit.expect(await kit.ask()).toBe(null);
    for (const grant of grants) kit.expect(await kit.driver.release(grant)).toBe(true);
    await kit.expectFree();
  },

  'a writer that aborts at the head lets the readers behind it in': async (kit) => {
    const reader = await kit.take({ mode: 'read' });
    const stop = new AbortController();
    await kit.queue({ signal: stop.signal });
    const late = await kit.queue({ mode: 'read' });
    await kit.expectPending(late.granted);
    stop.abort(new Error('enough'));
    await late.granted;
    kit.expect(await kit.driver.release(reader)).toBe(true);
  },

  'a writer that times out at the head lets the readers behind it in': async (kit) => {
    await kit.take({ mode: 'read' });
    const writer = await kit.queueUp({ wait: BRIEF });
    const late = await kit.queue({ mode: 'read' });
    kit.expect(await writer.answer).toBe(null);
    await late.granted;
  },

  'readers expire one by one': async (kit) => {
    const brief = await kit.take({ mode: 'read', ttl: 300 });
    const long = await kit.take({ mode: 'read' });
    const { granted } = await kit.queue();
    await kit.expectPending(granted, 600);
    kit.expect(await kit.driver.extend(brief, 10_000)).toBe(null);
    kit.expect(await kit.driver.release(long)).toBe(true);
    await granted;
  },
};
