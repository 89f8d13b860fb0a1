#!/usr/bin/env node

import { readFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { LockError } from '../core/errors.js';
import { withoutLogin } from '../text/without-login.js';
import { EXIT, exitCodeOf } from './exit.js';
import { surviveBrokenOutput } from './output/terminal.js';
import { printable } from './output/text.js';
import { program } from './program.js';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

// As OpenSSL says it.
const UNTRUSTED = /self[- ]signed certificate|unable to (verify the first|get (local )?issuer) certificate/i;
const TRUST = 'set NODE_EXTRA_CA_CERTS to the file of the authority that signed it';

surviveBrokenOutput();
const latchkey = program(version);
try {
  await latchkey.parseAsync();
} catch (error) {
  const code = exitCodeOf(error);
  process.exitCode = code;
  if ((error as CommanderError).code === 'commander.help') process.stdout.write(latchkey.helpInformation());
  // What was asked for has been printed.
  else if (!(error instanceof CommanderError && code === EXIT.done)) report(error as Error, code);
}

function report(error: Error, code: number): void {
  if (error.message === '') return;
  // Wrong usage is quoted, and may be an address in the wrong place.
  const whole = code === EXIT.usage ? withoutLogin(error.message) : error.message;
  const said = whole.replace(/^error: /, '').replace(/\n[- ]*/g, '; ');
  const message = printable(UNTRUSTED.test(said) ? `${said}: ${TRUST}` : said);
  const [, , ...words] = process.argv;
  // What is behind `--` is for another command.
  const json = words.slice(0, [...words, '--'].indexOf('--')).includes('--json');
  const name = error instanceof LockError ? error.code : error.name;
  const text = json ? JSON.stringify({ error: { exitCode: code, name, message } }) : `latchkey: ${message}`;
  process.stderr.write(`${text}\n`);
}
