import type { ChildProcess } from 'node:child_process';

export interface Output {
  stdout(): string;
  stderr(): string;
}

/** What a child writes, so far. Its streams must be pipes. */
export function outputOf(child: ChildProcess): Output {
  const read = (stream: 'stdout' | 'stderr') => {
    let all = '';
    child[stream]!.setEncoding('utf8').on('data', (text: string) => {
      all += text;
    });
    return () => all;
  };
  return { stdout: read('stdout'), stderr: read('stderr') };
}
