/**
 * Runs the benchmarks and prints their tables, then the targets beside what was measured.
 *   npm run bench [-- mutex | mapmutex | redis | postgres | with ...] [--scale 0.1]
 */
import { parseArgs } from 'node:util';
import { machineLine } from './lib/machine.mjs';
import { printTargets } from './lib/targets.mjs';

const PARTS = ['mutex', 'mapmutex', 'redis', 'postgres', 'with'];
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { scale: { type: 'string', default: '0.15' } },
});
const scale = Number(values.scale);
const unknown = positionals.find((part) => !PARTS.includes(part.split(':')[0]));
if (unknown) throw new Error(`expected one of ${PARTS.join(', ')}, got ${unknown}`);
if (!(scale > 0)) throw new Error(`expected --scale to be a number over 0, got ${values.scale}`);

// Whatever hangs, this ends.
setTimeout(() => process.exit(1), 1_800_000).unref();
const started = performance.now();
console.log(machineLine());
for (const part of positionals.length > 0 ? positionals : PARTS) {
  const [name, only] = part.split(':');
  const { run } = await import(`./${name}/index.mjs`);
  await run({ scale, only });
}
printTargets();
console.log(`\n${Math.round((performance.now() - started) / 1_000)} s in all`);
process.exit();
