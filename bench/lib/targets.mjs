/** What Latchkey has set itself, beside what was measured. Collected while the parts run and printed at the end. */
import { figure, printTable } from './table.mjs';

const judged = [];

/** @param {string} what @param {number} measured @param {number} least */
export const atLeast = (what, measured, least, unit = ' x') =>
  judged.push([what, `>= ${least}${unit}`, `${figure(measured)}${unit}`, verdict(measured >= least)]);

/** @param {string} what @param {number} measured @param {number} most */
export const atMost = (what, measured, most, unit = ' x') =>
  judged.push([what, `<= ${most}${unit}`, `${figure(measured)}${unit}`, verdict(measured <= most)]);

export function printTargets() {
  if (judged.length > 0) printTable('Targets', ['', 'target', 'measured', ''], judged);
}

const verdict = (ok) => (ok ? 'ok' : 'SHORT');
