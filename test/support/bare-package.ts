import { cp, mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder `node_modules` with the package as it would be installed, and of all that it may use no more than `beside`. */
export async function bareModules(beside: readonly string[]): Promise<string> {
  const root = join(import.meta.dirname, '../..');
  const modules = join(await mkdtemp(join(tmpdir(), 'latchkey-bare-')), 'node_modules');
  await cp(join(root, 'dist'), join(modules, 'latchkey/dist'), { recursive: true });
  await cp(join(root, 'package.json'), join(modules, 'latchkey/package.json'));
  for (const name of beside) await symlink(join(root, 'node_modules', name), join(modules, name));
  return modules;
}

/** Puts a package of that name beside it that cannot be loaded. */
export async function addBroken(modules: string, name: string): Promise<void> {
  const broken = join(modules, name);
  await mkdir(broken);
  await writeFile(join(broken, 'package.json'), JSON.stringify({ name, main: 'index.js' }));
  await writeFile(join(broken, 'index.js'), 'throw new Error("broken on purpose")');
}
