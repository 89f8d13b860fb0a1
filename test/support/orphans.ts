import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Ties `child` to this process: it gets SIGKILL, paused or not, when this process ends in whatever way.
 * The child does not keep this process alive either, so a test that forgot it cannot hang the run.
 */
export function dieWithUs(child: ChildProcess): void {
  // An 'exit' handler would not do: jest gives tests a copy of `process`, and SIGKILL runs no handler.
  // The kernel closes the pipe whatever happens, and `read` then returns.
  const guard = spawn('sh', ['-c', `read _; kill -9 ${child.pid}`], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  child.once('exit', () => guard.kill('SIGKILL'));
  guard.unref();
  child.unref();
}

/** Resolves when `child` has exited; at once if it has already. */
export async function exitOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  await new Promise((resolve) => child.once('exit', resolve));
}
