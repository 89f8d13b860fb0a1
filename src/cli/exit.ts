import { constants } from 'node:os';
import { CommanderError } from 'commander';
import { AppError } from '../app/errors.js';
import {
  LockBackendError,
  LockConfigError,
  LockLostError,
  LockNotObtainedError,
  LockUsageError,
} from '../core/errors.js';

/** What `latchkey` exits with, where it does not pass on the code of a command; docs/operations.md has the table. */
export const EXIT = {
  done: 0,
  /** There is no such hold, nobody holds the key, or `doctor` found an error. */
  no: 1,
  usage: 64,
  backend: 69,
  fault: 70,
  notObtained: 75,
  config: 78,
  lost: 79,
  cannotRun: 126,
  notFound: 127,
} as const;

/** Ends the command with a code, and a message unless everything has been said. */
export class Exit extends Error {
  constructor(
    readonly code: number,
    message = '',
  ) {
    super(message);
  }
}

/** The code for a process that a signal ended, as a shell has it. */
export const ofSignal = (signal: NodeJS.Signals): number => 128 + constants.signals[signal];

export function exitCodeOf(error: unknown): number {
  if (error instanceof Exit) return error.code;
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  if (error instanceof LockNotObtainedError) return EXIT.notObtained;
  if (error instanceof LockLostError) return EXIT.lost;
  if (error instanceof LockBackendError) return EXIT.backend;
  if (error instanceof LockConfigError || error instanceof AppError) return EXIT.config;
  return error instanceof LockUsageError ? EXIT.usage : EXIT.fault;
}
