import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { table } from '../chaos/table.js';
import { runCrew } from './crew.js';

/** A deliberate bug: a change of the compiled code. */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** It must be caught within so many seeds, of all scenarios or of one. */
  readonly within: number;
  readonly scenario?: string;
}

const ENGINE = 'src/engine';

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'a writer is overtaken: one of a process claims at a time',
    file: `${ENGINE}/queued-driver.js`,
    from: 'acquisition.ask();\n        return acquisition.outcome;',
    to: `for (const other of this.#acquisitions.values())
            if (other !== acquisition && other.request.key === request.key)
                return void other.outcome.catch(() => {}).finally(() => acquisition.ask()), acquisition.outcome;
        acquisition.ask();
        return acquisition.outcome;`,
    within: 100,
  },
  {
    name: 'nobody asks again after a reconnect',
    file: `${ENGINE}/queued-driver.js`,
    from: 'acquisition.ask();\n    }\n    lost(',
    to: ';\n    }\n    lost(',
    within: 100,
  },
  {
    name: 'the fence is not raised on hand-on',
    file: `${ENGINE}/hold.js`,
    from: 'this.fence = Math.max(this.fence, usedFence) + 1;',
    to: 'this.fence = Math.max(this.fence, usedFence);',
    within: 100,
  },
  {
    name: 'a lease counts from the arrival of the message',
    file: `${ENGINE}/acquisition.js`,
    from: 'surelyUntil(asOf, ttl)',
    to: 'surelyUntil(this.#host.clock.now(), ttl)',
    within: 100,
  },
  {
    name: 'a hold is handed on to one whose wait is over',
    file: `${ENGINE}/acquisition.js`,
    from: 'return !this.#over',
    to: 'return true',
    within: 500,
  },
  {
    name: 'a second release frees the next holder',
    file: `${ENGINE}/queued-driver.js`,
    from: 'if (hold.request.token !== token)',
    to: 'if (false)',
    within: 500,
  },
  {
    name: 'a batch drops its last waiter',
    file: `${ENGINE}/pending-releases.js`,
    from: 'of.map(({ token }) => token)',
    to: 'of.slice(0, Math.max(1, of.length - 1)).map(({ token }) => token)',
    within: 2_000,
  },
  {
    name: 'a hold is handed on beyond its run',
    file: `${ENGINE}/queued-driver.js`,
    from: 'hold.skip();\n        }\n        return false;',
    to: `hold.skip();
        }
        for (const next of this.#acquisitions.values())
            if (next.request.key === hold.key && next.mayBeServed && hold.suits(next.request.ttl, now)) {
                const former = hold.request.token;
                hold.handOn(next.request, usedFence);
                this.#holds.moved(hold, former);
                next.serve(hold);
                return true;
            }
        return false;`,
    within: 100,
  },
  {
    name: 'a lease is counted as long as the server counts it, or longer',
    file: `${ENGINE}/hold.js`,
    from: 'asOf + ttl - 1 - ttl / 1_000',
    to: 'asOf + ttl',
    within: 100,
  },
  {
    name: 'an outage is told as contention',
    file: `${ENGINE}/acquisition.js`,
    from: 'this.#giveUp(() => this.#reject(fault));',
    to: 'this.#giveUp(() => this.#resolve(null));',
    within: 5_000,
  },
  {
    name: 'a grant that is told twice is given up',
    file: `${ENGINE}/acquisition.js`,
    from: 'const since = answer.fence - (this.#obtained ?? Infinity);',
    to: 'const since = NaN;',
    within: 500,
  },
  {
    name: 'nobody looks any more where the one that looked has ended',
    file: `${ENGINE}/local-queue.js`,
    from: 'queue.look.index < 0) {',
    to: 'false) {',
    within: 5_000,
  },
  {
    name: 'a first answer at the limit ends the wait',
    file: `${ENGINE}/acquisition.js`,
    from: 'if (!this.#inTime())\n            this.#leave();',
    to: 'this.#leave();',
    within: 5_000,
  },
  {
    name: 'a store that is slow counts as silent',
    file: `${ENGINE}/acquisition.js`,
    from: 'if (this.#servesSlowly)',
    to: 'if (false)',
    within: 200,
    scenario: 'far store',
  },
  {
    name: 'a store that is slow is not asked before the hard limit',
    file: `${ENGINE}/acquisition.js`,
    from: '!this.#lookedLast ? 2 * this.#took : 0',
    to: '!this.#lookedLast ? 0 : 0',
    within: 200,
    scenario: 'far store',
  },
  {
    name: 'a place is forgotten where the store is away for long',
    file: `${ENGINE}/queued-driver.js`,
    from: 'Math.max(request.ttl, LEAVE_MS)',
    to: 'Math.max(request.ttl, 2000)',
    within: 3_000,
    scenario: 'outages',
  },
  {
    name: 'a key does not rest',
    file: 'src/lease/grant-set.js',
    from: 'rest > 0 ? rest : undefined',
    to: 'undefined',
    within: 500,
  },
  {
    name: 'a hold ends with the connection of its process',
    file: 'src/testing/model-lock.js',
    from: 'if (hold.until <= now)',
    to: 'if (hold.until <= now || !this.#host.reaches(hold.process))',
    within: 500,
  },
  {
    name: 'a revocation that is read before its grant is forgotten',
    file: `${ENGINE}/queued-driver.js`,
    from: 'this.#acquisitions.get(claim)?.outcome.then(() => this.#askAbout(id), ignore);',
    to: ';',
    within: 2_000,
    scenario: 'revocations',
  },
  {
    name: 'a message of a revocation is not heeded',
    file: `${ENGINE}/queued-driver.js`,
    from: 'if (hold?.token === id.token)\n            this.#renewals.revoked(hold, grace);',
    to: 'if (hold?.token === id.token)\n            ;',
    within: 500,
  },
  {
    name: 'a renewal that is refused to a revoked holder tells of a thief',
    file: `${ENGINE}/renewals.js`,
    from: "if (answer === 'lost')",
    to: "if (answer === 'lost' || answer.revoked !== undefined)",
    within: 500,
  },
  {
    name: 'a permit is given beyond the limit',
    file: 'src/testing/model-lock.js',
    from: 'this.#holds.size < limit;',
    to: 'this.#holds.size <= limit;',
    within: 100,
  },
  {
    name: 'who has a larger limit goes past one who does not fit yet',
    file: 'src/testing/model-lock.js',
    from: 'if (!this.#fits(place))\n                return true;',
    to: "if (!this.#fits(place)) {\n                if (place.mode === 'read')\n                    continue;\n                return true;\n            }",
    within: 500,
  },
  {
    name: 'the queue goes on past a writer who does not fit yet',
    file: 'src/testing/model-lock.js',
    from: 'if (!this.#fits(place))\n                return true;',
    to: 'if (!this.#fits(place))\n                continue;',
    within: 100,
  },
];

/** The compiled code of the simulator and of what it simulates. */
const BUILD = fileURLToPath(new URL('../..', import.meta.url));

/** Runs every mutant until it is caught; true when all are. */
export async function runMutants(seed: number): Promise<boolean> {
  const rows: (string | number)[][] = [];
  let all = true;
  for (const mutant of MUTANTS) {
    const { judge, after } = await hunt(mutant, seed);
    all &&= judge !== undefined;
    rows.push([mutant.name, judge ?? 'NOT CAUGHT', after, mutant.within]);
    console.error(`${mutant.name}: ${judge ?? 'NOT CAUGHT'} (${after})`);
  }
  console.log(table(['mutant', 'judge', 'seeds', 'within'], rows));
  return all;
}

export async function hunt(
  mutant: Mutant,
  seed: number,
): Promise<{ judge: string | undefined; after: number }> {
  const folder = mkdtempSync(join(BUILD, '..', 'mutant-'));
  try {
    cpSync(BUILD, folder, { recursive: true });
    mutate(folder, mutant);
    let judge: string | undefined;
    let after = mutant.within;
    await runCrew({
      seed,
      seeds: mutant.within,
      scenario: mutant.scenario,
      time: Infinity,
      worker: join(folder, 'test/sim/worker.js'),
      onResult: (result) => {
        const nth = result.seed - seed + 1;
        if (result.judge !== undefined && (judge === undefined || nth < after)) {
          judge = result.judge;
          after = nth;
        }
        return judge !== undefined;
      },
    });
    return { judge, after };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function mutate(folder: string, { name, file, from, to }: Mutant): void {
  const path = join(folder, file);
  const code = readFileSync(path, 'utf8');
  if (code.split(from).length !== 2) throw new Error(`mutant "${name}": ${file} has not one ${from}`);
  writeFileSync(
    path,
    code.replace(from, () => to),
  );
}
