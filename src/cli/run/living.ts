import { readdirSync, readFileSync } from 'node:fs';

/**
 * Whether any process of a group runs. One that has ended stays in its group until its parent collects it, and some
 * containers have nobody who does: where there is `/proc`, such are not counted.
 */
export function isLiving(group: number): boolean {
  try {
    process.kill(-group, 0);
  } catch (error) {
    // What runs as somebody else may not be signalled.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return membersOf(group)?.some((state) => state !== 'Z' && state !== 'X') ?? true;
}

/** The states of the processes in a group; undefined where there is no `/proc`. */
function membersOf(group: number): string[] | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    return processes.map(statusOf).flatMap((status) => (status?.group === group ? [status.state] : []));
  } catch {
    return undefined;
  }
}

function statusOf(process: string): { state: string; group: number } | undefined {
  try {
    // The name of the program, in brackets, may hold anything.
    const [state, , group] = readFileSync(`/proc/${process}/stat`, 'latin1').split(') ').at(-1)!.split(' ');
    return { state: state!, group: Number(group) };
  } catch {
    return undefined;
  }
}
