/** Where it was measured. */
import { execFileSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';

export function machineLine() {
  const [cpu] = cpus();
  const load = loadavg()[0].toFixed(2);
  const day = new Date().toISOString().slice(0, 10);
  return `${day}, node ${process.version}, ${cpus().length} cores (${cpu.model.trim()}), Redis ${redisVersion()}, load ${load}`;
}

function redisVersion() {
  try {
    const text = execFileSync('redis-server', ['--version'], { encoding: 'utf8' });
    return /v=(\S+)/.exec(text)?.[1] ?? 'unknown';
  } catch {
    return 'not installed';
  }
}
