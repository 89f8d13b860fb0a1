import { type Cases, sleep } from './kit.js';

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

  'readers that stand together enter together': async (kit) => {
    const writer = await kit.take();
    const line = [await kit.queue({ mode: 'read' }), await kit.queue({ mode: 'read' }), await kit.queue()];
    const last = await kit.queue({ mode: 'read' });
    await kit.driver.release(writer);
    const together = await Promise.all(line.slice(0, 2).map(({ granted }) => granted));
    await kit.expectPending(line[2]!.granted);
    for (const reader of together) await kit.driver.release(reader);
    const second = await line[2]!.granted;
    await kit.expectPending(last.granted);
    await kit.driver.release(second);
    await last.granted;
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
    const writer = kit.ask({ wait: 150 });
    writer.catch(() => {});
    await sleep(30);
    const late = await kit.queue({ mode: 'read' });
    kit.expect(await writer).toBe(null);
    await late.granted;
  },

  'readers expire one by one': async (kit) => {
    const brief = await kit.take({ mode: 'read', ttl: 150 });
    const long = await kit.take({ mode: 'read' });
    const { granted } = await kit.queue();
    await kit.expectPending(granted, 400);
    kit.expect(await kit.driver.extend(brief, 10_000)).toBe(null);
    kit.expect(await kit.driver.release(long)).toBe(true);
    await granted;
  },
};
