import type { Check, Verdict } from './doctor/check.js';
import { examinePostgres } from './doctor/postgres.js';
import { examineRedis } from './doctor/redis.js';
import { EXIT, Exit } from './exit.js';
import { headed } from './look.js';
import { table } from './output/table.js';
import { Terminal } from './output/terminal.js';
import { type CommonOptions, openSession, readTarget, type Target } from './session.js';

const STYLES = { ok: 'green', warning: 'yellow', error: 'red' } as const;

/** `latchkey doctor` */
export async function doctor(options: CommonOptions): Promise<void> {
  const terminal = new Terminal();
  const target = await readTarget(options);
  const checks = await examine(target, options);
  const { driver, prefix } = target;
  if (options.json) terminal.printJson({ driver, prefix, checks });
  else terminal.print(showChecks(terminal, checks));
  if (checks.some(({ verdict }) => verdict === 'error')) throw new Exit(EXIT.no);
}

function examine({ driver, prefix, redis, postgres }: Target, options: CommonOptions): Promise<Check[]> {
  if (driver === 'redis') return examineRedis(redis ?? {}, prefix);
  return driver === 'postgres' ? examinePostgres(postgres ?? {}) : examineOther(options);
}

/** Of a driver that nothing more is known of: that it serves. */
async function examineOther(options: CommonOptions): Promise<Check[]> {
  const started = performance.now();
  await using _ = await openSession(options);
  return [
    { what: 'reach', verdict: 'ok', found: `serves after ${Math.round(performance.now() - started)} ms` },
  ];
}

function showChecks(terminal: Terminal, checks: readonly Check[]): string {
  const shown = headed(
    terminal,
    table(
      checks,
      [
        { head: 'CHECK', of: ({ what }) => what },
        { head: 'RESULT', of: ({ verdict }) => verdict },
        { head: 'FOUND', of: ({ found }) => found, least: 10 },
      ],
      terminal.width,
    ),
  );
  const [head, ...lines] = shown.split('\n');
  const styled = lines.map((line, at) => terminal.style(STYLES[checks[at]!.verdict], line));
  const count = (verdict: Verdict) => checks.filter((check) => check.verdict === verdict).length;
  const advice = checks.flatMap(({ what, verdict, advice }) =>
    advice ? [`${verdict}: ${what}: ${advice}`] : [],
  );
  const many = (verdict: Verdict) => `${count(verdict)} ${verdict}${count(verdict) === 1 ? '' : 's'}`;
  const summary = `${count('ok')} ok, ${many('warning')}, ${many('error')}`;
  return [head, ...styled, '', ...advice, summary].join('\n');
}
