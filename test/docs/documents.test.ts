import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import * as latchkey from '../../src/index.js';
import { documents, prose, read, root, rows } from './documents.js';

const pages = documents();

test.each(pages.map(({ path }) => path))('the links of %s lead somewhere', (path) => {
  const page = read(path);
  const dead = [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link]) => link!)
    .filter((link) => !/^(https?|mailto):/.test(link) && !leads(path, link));
  expect(dead).toEqual([]);
});

test.each(pages.map(({ path }) => path))('the files and tests that %s names are there', (path) => {
  const text = prose(read(path));
  const files = [...text.matchAll(/`((?:test|src|examples|bench|docs)\/[\w./-]+\.\w+)`/g)].map(
    ([, file]) => file!,
  );
  expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  const missing = namedTests(text).filter(({ file, title }) => !contains(file, title));
  expect(missing).toEqual([]);
});

describe('docs/guarantees.md', () => {
  test('every fault and every promise in its tables names a test', () => {
    expect(rowsWithoutTest('docs/guarantees.md')).toEqual([]);
    expect(rows(read('docs/guarantees.md')).length).toBeGreaterThan(30);
  });
});

describe('docs/feature-table.md', () => {
  test('every row names a test', () => {
    expect(rowsWithoutTest('docs/feature-table.md')).toEqual([]);
    expect(rows(read('docs/feature-table.md')).length).toBeGreaterThan(70);
  });
});

describe('docs/errors.md', () => {
  test('has a row for every class and code of the locks, and no other', () => {
    const inTable = rows(read('docs/errors.md')).flatMap(([name, code]) => {
      const [, className] = /^`(Lock\w+Error)`$/.exec(name!) ?? [];
      return className ? [[className, code!.replaceAll('`', '')]] : [];
    });
    expect(Object.fromEntries(inTable)).toEqual(latchkey.LOCK_ERROR_CODES);
  });

  test('has a row for every code of the app and every reason of a loss', () => {
    const first = rows(read('docs/errors.md')).map(([name]) => name!.replaceAll('`', ''));
    const source = (file: string) => readFileSync(join(root, file), 'utf8');
    const union = (file: string, type: string) => {
      const [, members = ''] = new RegExp(`type ${type} =([^;]+);`).exec(source(file)) ?? [];
      return [...members.matchAll(/'(\w+)'/g)].map(([, member]) => member!);
    };
    const wanted = [
      ...union('src/app/errors.ts', 'AppErrorCode'),
      ...union('src/core/errors.ts', 'LossReason'),
    ];
    expect(wanted).toHaveLength(13);
    expect(first).toEqual(expect.arrayContaining(wanted));
  });

  test('has a row for every process warning, and no other', () => {
    const first = rows(read('docs/errors.md')).map(([name]) => name!.replaceAll('`', ''));
    const files = readdirSync(join(root, 'src'), { recursive: true }).map(String);
    const warnings = files
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => [
        ...readFileSync(join(root, 'src', file), 'utf8').matchAll(/\{ code: '(LATCHKEY_\w+)' \}/g),
      ])
      .map(([, code]) => code!);
    expect(warnings).toHaveLength(9);
    expect(first.filter((name) => name.startsWith('LATCHKEY_')).sort()).toEqual(warnings.sort());
  });
});

/** The last cell of a row names the test, or is a footnote that does. */
function rowsWithoutTest(path: string): string[] {
  const page = read(path);
  const notes = new Map(
    [...page.text.matchAll(/^\[\^(\w+)\]: (.*)$/gm)].map(([, name, note]) => [name!, note!]),
  );
  const shownBy = (cell: string) => cell.replace(/\[\^(\w+)\]/g, (_, name: string) => notes.get(name) ?? '');
  return rows(page)
    .filter((cells) => namedTests(shownBy(cells.at(-1)!)).length === 0)
    .map(([first]) => first!);
}

/** Tests are named so: `test/file.test.ts` *title*, and several titles of one file one after the other. */
function namedTests(text: string): { file: string; title: string }[] {
  return [...text.matchAll(/`((?:test|src\/testing)\/[\w./-]+\.ts)`((?:,? \*[^*\n]+\*)+)/g)].flatMap(
    ([, file, titles]) =>
      [...titles!.matchAll(/\*([^*]+)\*/g)].map(([, title]) => ({ file: file!, title: title! })),
  );
}

function contains(file: string, title: string): boolean {
  return existsSync(join(root, file)) && readFileSync(join(root, file), 'utf8').includes(title);
}

function leads(from: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? from : relative(root, join(root, dirname(from), path));
  if (!existsSync(join(root, target))) return false;
  return anchor === undefined || !target.endsWith('.md') || anchors(target).includes(anchor);
}

/** As GitHub makes them: a second heading of one text gets a number. */
function anchors(path: string): string[] {
  const plain = [...prose(read(path)).matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );
  return plain.map((anchor, i) => {
    const before = plain.slice(0, i).filter((other) => other === anchor).length;
    return before === 0 ? anchor : `${anchor}-${before}`;
  });
}
