const FIRST_MS = 25;
const LONGEST_MS = 1_000;

/** ms to wait before the next attempt to connect, after so many that failed. */
export function backOff(failures: number): number {
  return Math.min(FIRST_MS * 2 ** Math.min(failures, 10), LONGEST_MS) * (0.5 + Math.random() / 2);
}
