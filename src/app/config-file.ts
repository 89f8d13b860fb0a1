import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { parse as parseToml, TomlError } from 'smol-toml';
import { withoutLogin } from '../text/without-login.js';
import { ConfigError } from './errors.js';

const PARSERS: Record<string, (text: string) => unknown> = { '.toml': parseToml, '.json': JSON.parse };

/**
 * What a TOML or JSON file says, by its extension.
 * @throws ConfigError naming the path, when it can't be read or parsed.
 */
export async function readConfigFile(path: string): Promise<unknown> {
  const parse = PARSERS[extname(path).toLowerCase()];
  if (!parse) throw fileError(path, 'expected a .toml or .json file');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw fileError(path, `cannot be read: ${(cause as Error).message}`, { cause });
  }
  try {
    return parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    // Not the parser's own message, and no cause: both quote the file, which may hold passwords.
    throw fileError(path, `cannot be parsed${place(error)}`);
  }
}

function place(error: unknown): string {
  if (error instanceof TomlError) {
    return `: line ${error.line}, column ${error.column}: ${error.message.split('\n')[0]}`;
  }
  const position = /at position \d+/.exec((error as Error).message);
  return position ? `: not JSON ${position[0]}` : ': not JSON';
}

function fileError(path: string, what: string, options?: ErrorOptions): ConfigError {
  // An address, by mistake, may hold a password.
  const mistake = withoutLogin(`file ${path} ${what}`);
  return new ConfigError(mistake, [mistake], options);
}
