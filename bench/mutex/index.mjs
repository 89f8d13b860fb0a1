/** Part `mutex`: KeyedMutex and KeyedSemaphore beside what else locks inside one process. */
import { figure, printTable, progress, times } from '../lib/table.mjs';
import { atLeast } from '../lib/targets.mjs';
import { memory, timeouts } from './apart.mjs';
import * as semaphores from './contenders/semaphores.mjs';
import { asyncLock, bare, keptMap, latchkey, oneMutex } from './contenders.mjs';
import { busyPermits, contended, freePermits, readers, uncontended } from './timings.mjs';

export async function run() {
  progress('mutex: uncontended');
  const free = await uncontended();
  printTimes('Uncontended: ns to lock and unlock one of 1,000 keys', free, latchkey);
  progress('mutex: contended');
  const busy = await contended();
  printTimes('Contended: ns a hold, 1,000 callers on one key', busy, latchkey);
  progress('mutex: semaphores');
  const permits = await freePermits();
  printTimes(
    'Semaphore, uncontended: ns to take and give back one of 5 permits',
    permits,
    semaphores.latchkey,
  );
  const busyPermit = await busyPermits();
  printTimes('Semaphore, contended: ns a hold, 1,000 callers, 5 permits', busyPermit, semaphores.latchkey);
  progress('mutex: readers');
  printReaders(await readers());
  progress('mutex: timeouts');
  printTimeouts(await timeouts());
  progress('mutex: memory');
  printMemory(await memory());

  const gain = (figures, peer) => figures.get(peer).value / figures.get(latchkey).value;
  atLeast('mutex, uncontended, of a map of async-mutexes', gain(free, keptMap), 10);
  atLeast('mutex, uncontended, of async-lock', gain(free, asyncLock), 2.5);
  atLeast('mutex, uncontended, of the bare limit', gain(free, bare), 0.7);
  atLeast('mutex, contended, of async-mutex', gain(busy, oneMutex), 8);
  atLeast('mutex, contended, of async-lock', gain(busy, asyncLock), 2);
  const ofOurs = (figures, peer) => figures.get(peer).value / figures.get(semaphores.latchkey).value;
  atLeast('semaphore, uncontended, of a map of async-mutexes', ofOurs(permits, semaphores.asyncMutexMap), 1);
  atLeast('semaphore, contended, of async-mutex', ofOurs(busyPermit, semaphores.asyncMutexMap), 1);
  atLeast('semaphore, contended, of async-sema', ofOurs(busyPermit, semaphores.asyncSemaMap), 1);
  atLeast('semaphore, contended, of p-limit', ofOurs(busyPermit, semaphores.limiter), 2);
}

function printTimes(title, figures, us) {
  const ours = figures.get(us).value;
  const rows = [...figures].map(([{ name }, { value, all }]) => [
    name,
    value,
    `${figure(Math.min(...all))} - ${figure(Math.max(...all))}`,
    times(value / ours),
  ]);
  printTable(title, ['', 'ns', 'rounds', 'latchkey is faster'], rows);
}

function printReaders(figures) {
  const ours = figures.get(latchkey).value;
  const rows = [...figures].map(([{ name }, { value }]) => [name, value, times(ours / value)]);
  const note = 'Only latchkey lets readers in together; with the others they exclude each other.';
  printTable(
    '190 readers and 10 writers on one key, 1 ms of work each',
    ['', 'holds/ms', 'latchkey is faster'],
    rows,
    note,
  );
}

function printTimeouts(figures) {
  const ours = figures.get(latchkey).cpu;
  const rows = [...figures].map(([{ name }, { cpu, next, error }]) =>
    error ? [name, error, '-', '-'] : [name, cpu, times(cpu / ours), next],
  );
  const head = ['', 'CPU µs each', 'latchkey is faster', 'next caller in, ms'];
  printTable('100,000 callers who time out', head, rows);
}

function printMemory(figures) {
  const rows = [...figures].map(([{ name }, { held, waiting }]) => [name, held, waiting]);
  printTable('Heap bytes', ['', 'a held key', 'a waiting caller'], rows);
}
