import { runSource, type Worker } from '../../../support/process.js';

const source = `
  import { redisDriver } from 'latchkey';
  const { URL, DRIVERS } = process.env;
  const drivers = await Promise.all(Array.from({ length: Number(DRIVERS) }, () => redisDriver({ url: URL })));
  await Promise.all(drivers.map((driver) => driver.ping()));
  const grants = new Map();
  send({ up: true });
  for await (const { release, id, driver, ...request } of received) {
    if (release) {
      const { by, grant } = grants.get(release);
      by.release(grant).then((ok) => send({ released: release, ok }));
      continue;
    }
    const by = drivers[driver];
    const asked = { token: id, mode: 'write', ttl: 30000, wait: 60000, retryInterval: 100, meta: {}, ...request };
    const { hold } = request;
    by.acquire(asked).then(async (grant) => {
      const now = performance.now();
      grants.set(id, { by, grant });
      send({ granted: id, fence: grant?.fence, left: grant && grant.validUntil - now });
      if (hold === undefined) return;
      await new Promise((resolve) => setTimeout(resolve, hold));
      send({ released: id, ok: await by.release(grant) });
    }, (error) => send({ failed: id, message: error.message }));
  }
`;

/** A process with `drivers` drivers, which asks for locks and gives them back when it is told to. */
export async function crowd(url: string, drivers: number): Promise<Worker> {
  const worker = runSource(source, { URL: url, DRIVERS: String(drivers) });
  await worker.waitFor(({ up }) => up === true, 30_000);
  return worker;
}

export function crowds(processes: number, url: string, drivers: number): Promise<Worker[]> {
  return Promise.all(Array.from({ length: processes }, () => crowd(url, drivers)));
}

export interface CrowdRequest {
  /** Also its token. */
  id: string;
  /** Its number in the process. */
  driver: number;
  key: string;
  mode?: 'write' | 'read';
  ttl?: number;
  wait?: number;
  /** Released after so many ms; else when it is told to. */
  hold?: number;
}

export const request = (worker: Worker, asked: CrowdRequest): void => worker.send(asked);

export const granted = (worker: Worker, id: string, withinMs?: number) =>
  worker.waitFor((message) => message.granted === id, withinMs);
