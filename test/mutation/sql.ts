import { type Mutant, mutantAt } from './mutant.js';
import { otherNumber, type Token, tokensOf } from './tokens.js';

const OTHERS: Readonly<Record<string, readonly string[]>> = {
  '=': ['<>'],
  '<>': ['='],
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
  '+': ['-'],
  '-': ['+'],
  '*': ['/'],
  AND: ['OR'],
  OR: ['AND'],
  NOT: [''],
  TRUE: ['FALSE'],
  FALSE: ['TRUE'],
  EXISTS: ['NOT EXISTS'],
  GREATEST: ['least'],
  LEAST: ['greatest'],
  MIN: ['max'],
  MAX: ['min'],
};

type At = (start: number, end: number, to: string) => Mutant;

/** Conditions, constants, operators, orders, row locks, and statements that are left out. */
export function sqlMutants(file: string, text: string): Mutant[] {
  const at: At = (start, end, to) => mutantAt(file, text, start, end, to);
  // How a table is stored only changes how fast it is.
  const storage = [...text.matchAll(/WITH \([^)]*\)/g)].map(
    ({ index, 0: { length } }) => [index, index + length] as const,
  );
  const tokens = tokensOf(text);
  return [
    ...words(tokens, at),
    ...conditions(tokens, text, at),
    ...statements(text, at),
    ...clauses(text, at),
  ].filter(({ start }) => !storage.some(([from, to]) => start >= from && start < to));
}

function words(tokens: readonly Token[], at: At): Mutant[] {
  return tokens.flatMap(({ kind, text: word, start, end }, i): Mutant[] => {
    if (kind === 'number') return [at(start, end, otherNumber(word))];
    if (kind === 'string')
      return word.startsWith("'") ? [at(start, end, word.length > 2 ? "''" : "'?'")] : [];
    if (word === '-' && !/[\w)]$/.test(tokens[i - 1]?.text ?? '')) return [];
    if (word === 'NOT' && tokens[i + 1]?.text === 'NULL') return [];
    return (OTHERS[word.toUpperCase()] ?? []).map((other) => at(start, end, other));
  });
}

function conditions(tokens: readonly Token[], text: string, at: At): Mutant[] {
  return tokens.flatMap((token, i) => {
    const exit = token.text === 'WHEN' && tokens[i - 1]?.text === 'EXIT';
    if (!exit && token.text !== 'IF' && token.text !== 'ELSIF') return [];
    const end = tokens.slice(i).find(({ text: word }) => word === (exit ? ';' : 'THEN'));
    // As in CREATE TABLE IF NOT EXISTS; and an exit that never comes is a loop without end.
    if (!end || text.slice(token.end, end.start).includes(';')) return [];
    return (exit ? ['TRUE'] : ['TRUE', 'FALSE']).map((value) => at(token.end, end.start, ` ${value} `));
  });
}

const STATEMENT =
  /^[ \t]*((?:UPDATE|DELETE|INSERT|PERFORM|EXIT|CONTINUE)\b[^;]*;|[a-z]\w*(?:\.\w+)? := [^;]*;)/gm;

function statements(text: string, at: At): Mutant[] {
  const body = text.indexOf('BEGIN\n');
  return [...text.matchAll(STATEMENT)]
    .filter(({ index }) => body >= 0 && index > body)
    .map(({ index, 0: found, 1: statement }) =>
      at(index + found.length - statement!.length, index + found.length, 'NULL;'),
    );
}

function clauses(text: string, at: At): Mutant[] {
  return [
    ...[...text.matchAll(/\bFOR (UPDATE|KEY SHARE|NO KEY UPDATE|SHARE)( SKIP LOCKED)?/g)].map(
      ({ index, 0: found }) => at(index, index + found.length, ''),
    ),
    ...[...text.matchAll(/ORDER BY [\w.]+/g)].map(({ index, 0: found }) =>
      at(index, index + found.length, `${found} DESC`),
    ),
  ];
}
