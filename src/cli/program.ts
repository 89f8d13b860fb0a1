import { Command } from 'commander';
import { doctor } from './doctor.js';
import { inspect, ls } from './look.js';
import { postgresSchema, type SchemaOptions } from './postgres-schema.js';
import { type RevokeOptions, revoke } from './revoke.js';
import { type RunOptions, run } from './run.js';
import type { CommonOptions } from './session.js';
import { type WatchOptions, watch } from './watch.js';

const CONFIG = ['--config <file>', 'the configuration file of the service, TOML or JSON'] as const;
const JSON_OUTPUT = ['--json', 'print JSON'] as const;

/** The command `latchkey`, with all that it can be asked. */
export function program(version: string): Command {
  const root = new Command('latchkey')
    .description('Shows who holds and awaits locks, frees them safely, and runs commands under them.')
    .version(version)
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  common(root.command('ls').argument('[pattern]', 'keys to show; * is any text, ? one character'))
    .description('show the locks that are held or awaited')
    .action((pattern: string | undefined, options: CommonOptions) => ls(pattern, options));
  common(root.command('inspect').argument('<key>'))
    .description('show the holders of a key, and its waiters in order')
    .action((key: string, options: CommonOptions) => inspect(key, options));
  common(root.command('watch').argument('[pattern]', 'keys to show; * is any text, ? one character'))
    .description('show the locks as they change, the longest wait first, until Ctrl-C')
    .option('--interval <duration>', 'how often to look', '1s')
    .action((pattern: string | undefined, options: WatchOptions) => watch(pattern, options));
  common(root.command('revoke').argument('[key]'))
    .description('take a hold away from its holder, or all the holds of a host')
    .option('--fence <number>', 'the hold to revoke, by its fence')
    .option('--host <host>', 'revoke all that this host holds')
    .option('--grace <duration>', 'how long the holder may take to release it itself', '5s')
    .option('--yes', 'do not ask')
    .action((key: string | undefined, options: RevokeOptions) => revoke(key, options));
  common(
    root
      .command('run')
      .argument('<key>')
      .argument('<command...>', 'after `--`: the command and its arguments'),
  )
    .description('run a command while a key is held, and end it before the lease does')
    .option(
      '--wait <duration>',
      'how long to wait for the key: 0, 5m, or forever; default: the settings of the service, or 0 with --once',
    )
    .option(
      '--ttl <duration>',
      'how long the lease lasts unless renewed; default: the settings of the service',
    )
    .option('--limit <number>', 'a semaphore: run while fewer than this many are inside')
    .option('--at-least <duration>', 'keep the key taken until so long after it was obtained')
    .option('--once <slot>', 'run at most once for this slot, on all machines')
    .option('--keep <duration>', 'with --once: how long the slot stays done; default: 24h')
    .option('-E, --conflict-exit-code <code>', 'what to exit with when the key is not obtained', '75')
    .action((key: string, command: string[], options: RunOptions) => run(key, command, options));
  common(root.command('doctor'))
    .description('check the backend: reach, version, eviction, persistence, rights, and what is stored')
    .action((options: CommonOptions) => doctor(options));
  root
    .command('postgres-schema')
    .description('print the SQL that the driver postgres needs, to be run once')
    .option('--schema <name>', 'the schema to make; default: the settings of the service')
    .option('--role <role>', 'the role of the service, which is granted what it needs')
    .option(...CONFIG)
    .option(...JSON_OUTPUT)
    .action((options: SchemaOptions) => postgresSchema(options));
  return root;
}

function common(command: Command): Command {
  return command
    .option('--url <url>', 'where the backend is; default: the settings of the service')
    .option('--prefix <prefix>', 'what stands before every key; default: the settings of the service')
    .option(...CONFIG)
    .option('--locker <name>', 'the locker of the service whose settings count')
    .option(...JSON_OUTPUT);
}
