import { type Mutant, mutantAt } from './mutant.js';
import { balanced, otherNumber, type Token, tokensOf } from './tokens.js';

const OTHERS: Readonly<Record<string, readonly string[]>> = {
  '==': ['~='],
  '~=': ['=='],
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
  '+': ['-'],
  '-': ['+'],
  '*': ['/'],
  '/': ['*'],
  and: ['or'],
  or: ['and'],
  not: [''],
  true: ['false'],
  false: ['true'],
};

/** Conditions, constants, operators, the order of arguments, and statements that are left out. */
export function luaMutants(file: string, text: string): Mutant[] {
  const tokens = tokensOf(text);
  const at = (start: number, end: number, to: string) => mutantAt(file, text, start, end, to);
  const each = tokens.flatMap((token, i): Mutant[] => {
    const { kind, text: word, start, end } = token;
    const before = tokens[i - 1]?.text ?? '';
    if (kind === 'number') return [at(start, end, otherNumber(word))];
    if (kind === 'string')
      return isCommand(tokens, i) ? [] : [at(start, end, word.length > 2 ? "''" : "'?'")];
    if (kind === 'word' && word === before) return [];
    if (word === '-' && !/[\w)\]]$/.test(before)) return [];
    return (OTHERS[word] ?? []).map((other) => at(start, end, other));
  });
  return [...each, ...conditions(tokens, text, at), ...swaps(tokens, at), ...statements(text, at)];
}

type At = (start: number, end: number, to: string) => Mutant;

// A wrong name of a command fails at once.
function isCommand(tokens: readonly Token[], i: number): boolean {
  return (
    tokens[i - 1]?.text === '(' && ['call', 'pcall', 'match', 'format'].includes(tokens[i - 2]?.text ?? '')
  );
}

function conditions(tokens: readonly Token[], text: string, at: At): Mutant[] {
  return tokens.flatMap((token, i) => {
    const closing = { if: 'then', elseif: 'then', while: 'do' }[token.text];
    if (token.kind !== 'word' || closing === undefined) return [];
    const end = tokens.slice(i).find(({ text: word }) => word === closing);
    if (!end || text.slice(token.end, end.start).includes('\n')) return [];
    // A loop without end tells nothing: the script would only be waited for.
    const values = token.text === 'while' ? ['false'] : ['true', 'false'];
    return values.map((value) => at(token.end, end.start, ` ${value} `));
  });
}

function swaps(tokens: readonly Token[], at: At): Mutant[] {
  return tokens.flatMap(({ text: open }, i) => {
    const [a, comma, b, close] = tokens.slice(i + 1, i + 5);
    if (!a || !b || !close || !/^[(,]$/.test(open) || comma?.text !== ',' || !/^[),]$/.test(close.text))
      return [];
    if (a.kind !== 'word' || b.kind !== 'word' || a.text === b.text) return [];
    // Names of parameters are no arguments.
    if (tokens.slice(Math.max(0, i - 3), i).some(({ text: word }) => word === 'function')) return [];
    return [at(a.start, b.end, `${b.text}, ${a.text}`)];
  });
}

const STATEMENT = /^(redis\.p?call\(.*\)|[a-z_]+\(.*\)|table\.insert\(.*\)|[\w.[\]#+ ,]+ = .+|break)$/;
const UNFINISHED = /(\b(and|or|then|do|not)|[({,=+*/-])$/;

function statements(text: string, at: At): Mutant[] {
  let start = 0;
  return text.split('\n').flatMap((line) => {
    const from = start + line.length - line.trimStart().length;
    start += line.length + 1;
    const statement = line.trim();
    if (/^(local|function|return|for|if|while)\b/.test(statement)) return [];
    if (!STATEMENT.test(statement) || UNFINISHED.test(statement) || !balanced(statement)) return [];
    return [at(from, from + statement.length, '')];
  });
}
