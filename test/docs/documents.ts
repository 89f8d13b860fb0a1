import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../..');

/** A page of Markdown; its path is relative to the root of the repository. */
export interface Document {
  readonly path: string;
  readonly text: string;
}

/** A fenced block: its language, and the number of the line its code begins at. */
export interface Fence {
  readonly language: string;
  readonly line: number;
  readonly code: string;
  /** Whether the comment `<!-- snippet: continues -->` stands before it. */
  readonly continues: boolean;
}

/** Every page of the repository. */
export function documents(): Document[] {
  const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'].filter((path) =>
    existsSync(join(root, path)),
  );
  const docs = readdirSync(join(root, 'docs'), { recursive: true }).map(String);
  const markdown = docs.filter((file) => file.endsWith('.md')).map((file) => `docs/${file}`);
  return [...pages, ...markdown].map(read);
}

export function read(path: string): Document {
  return { path, text: readFileSync(join(root, path), 'utf8') };
}

export function fences({ text }: Document): Fence[] {
  return [...text.matchAll(/^```(\w*)[^\n]*\n(.*?)^```$/gms)].map((match) => {
    const [, language = '', code = ''] = match;
    const before = text.slice(0, match.index);
    return {
      language,
      line: before.split('\n').length + 1,
      code,
      continues: /<!-- snippet: continues -->\s*$/.test(before),
    };
  });
}

/** The page without its fenced blocks. */
export function prose({ text }: Document): string {
  return text.replace(/^```.*?^```$/gms, '');
}

/** The cells of every row of every table, without heads. */
export function rows(document: Document): string[][] {
  return prose(document)
    .split('\n')
    .filter(
      (line, i, lines) =>
        line.startsWith('|') && !/^\|[\s:|-]+\|$/.test(line) && !/^\|[\s:|-]+\|$/.test(lines[i + 1] ?? ''),
    )
    .map((line) =>
      line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    );
}
