export interface Token {
  readonly kind: 'word' | 'number' | 'string' | 'sign';
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

const PARTS =
  /(?<skip>\s+|--[^\n]*)|(?<string>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*")|(?<word>[A-Za-z_][\w]*)|(?<number>\d+(?:\.\d+)?(?:e\d+)?)|(?<sign>\.\.|==|~=|<=|>=|<>|:=|::|\$\$|\|\||.)/gy;

/** The tokens of Lua or SQL, without comments. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  for (const { 0: found, index: start, groups } of text.matchAll(PARTS)) {
    const kind = (['word', 'number', 'string', 'sign'] as const).find((each) => groups![each] !== undefined);
    if (kind) tokens.push({ kind, text: found, start, end: start + found.length });
  }
  return tokens;
}

/** Each opening bracket's closing one is behind it in this text. */
export function balanced(text: string): boolean {
  let depth = 0;
  for (const { kind, text: sign } of tokensOf(text)) {
    if (kind !== 'sign') continue;
    if ('([{'.includes(sign)) depth++;
    else if (')]}'.includes(sign)) depth--;
    if (depth < 0) return false;
  }
  return depth === 0;
}

/** Large enough a change to be noticed. */
export const otherNumber = (text: string): string =>
  String(Number(text) < 10 ? Number(text) + 1 : Number(text) * 2);
