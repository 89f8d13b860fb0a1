import { sleep, until } from './wait.js';

// What our code opens. Pipes and processes are left out: they are the test runner's, and our children's.
const watched = /^(Timeout|Immediate|TCP\w+|TLSWrap|DNSChannel|GetAddrInfoReqWrap|MessagePort|Worker)$/;

export interface LeakWatch {
  /** Rejections nobody handled in time, since the start of the watch; handled later or not. */
  readonly unhandled: readonly unknown[];
  /** Throws if there was one, or if more timers and sockets are open than at the start, 5 s later at most. */
  assertNone(): Promise<void>;
}

/** Watches from now on for unhandled rejections, and for timers and sockets that stay. Always end it. */
export function watchForLeaks(): LeakWatch {
  const before = active();
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  const real = realProcess();
  real.on('unhandledRejection', note);

  return {
    unhandled,
    async assertNone() {
      // Node reports a rejection after the microtasks of the turn it happened in.
      await sleep(20);
      real.off('unhandledRejection', note);
      if (unhandled.length > 0) throw new AggregateError(unhandled, `unhandled: ${unhandled.join('; ')}`);
      let left: string[] = [];
      const settled = () => {
        left = excess(active(), before);
        return left.length === 0;
      };
      await until(settled, 5_000).catch(() => {
        throw new Error(`still open: ${left.join(', ')}`);
      });
    },
  };
}

function active(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => watched.test(kind));
}

function excess(now: readonly string[], before: readonly string[]): string[] {
  const rest = [...before];
  return now.filter((kind) => {
    const known = rest.indexOf(kind);
    if (known >= 0) rest.splice(known, 1);
    return known < 0;
  });
}

// jest gives a test a copy of `process` that hears no events; a function of the realm outside knows the real one.
function realProcess(): NodeJS.Process {
  return Buffer.constructor('return process')();
}
