import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Config, loadConfig } from '../../src/app/config.js';
import { AppError, ConfigError } from '../../src/app/errors.js';
import {
  type ConfigOwner,
  type ConfigSchema,
  type ConfigTable,
  flag,
  text,
  texts,
} from '../../src/app/schema.js';

let folder: string;
let files = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-config-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function fileOf(content: string, extension = 'toml'): Promise<string> {
  const path = join(folder, `${++files}.${extension}`);
  await writeFile(path, content);
  return path;
}

const seconds = (value: unknown) => {
  if (typeof value !== 'string' || !/^\d+s$/.test(value)) throw new Error('expected seconds such as 30s');
};

const lockers: ConfigTable = {
  env: 'LOCK_LOCKERS',
  each: {
    ttl: { default: null, format: seconds },
    retry_interval: { default: null, format: seconds },
    auto_renew: { ...flag, default: null },
    meta: { ...texts, default: null },
  },
};

const lock: ConfigSchema = {
  lock: {
    provider: { ...text, default: 'memory', env: 'LOCK_PROVIDER' },
    ttl: { default: '30s', format: seconds, env: 'LOCK_TTL' },
    wait: { default: null, format: seconds, env: 'LOCK_WAIT' },
    auto_renew: { ...flag, default: null, env: 'LOCK_AUTO_RENEW' },
    redis: {
      url: {
        default: null,
        format(value: unknown) {
          if (!String(value).startsWith('redis:')) throw new Error(`bad url ${value}`);
        },
        env: ['LOCK_REDIS_URL', 'REDIS_URL'],
        sensitive: true,
      },
    },
    lockers,
  },
};

interface Given {
  toml?: string;
  env?: Record<string, string | undefined>;
  owners?: ConfigOwner[];
}

async function load({
  toml,
  env = {},
  owners = [{ name: 'lock', config: lock }],
}: Given = {}): Promise<Config> {
  return loadConfig(owners, { file: toml === undefined ? undefined : await fileOf(toml), env });
}

async function mistakesOf(given: Given): Promise<readonly string[]> {
  const error = await load(given).catch((reason) => reason);
  expect(error).toBeInstanceOf(ConfigError);
  for (const mistake of error.mistakes) expect(error.message).toContain(mistake);
  return error.mistakes;
}

describe('layers', () => {
  test('without file and environment a setting has its default', async () => {
    expect((await load()).get('lock.ttl')).toBe('30s');
  });

  test('the file beats the default', async () => {
    expect((await load({ toml: 'lock.ttl = "10s"' })).get('lock.ttl')).toBe('10s');
  });

  test('the environment beats the file', async () => {
    expect((await load({ toml: 'lock.ttl = "10s"', env: { LOCK_TTL: '5s' } })).get('lock.ttl')).toBe('5s');
  });

  test('an empty variable is unset', async () => {
    expect((await load({ toml: 'lock.ttl = "10s"', env: { LOCK_TTL: '' } })).get('lock.ttl')).toBe('10s');
  });

  test('of several variables the first that is not empty wins', async () => {
    const both = { LOCK_REDIS_URL: 'redis://a', REDIS_URL: 'redis://b' };
    expect((await load({ env: both })).get('lock.redis.url')).toBe('redis://a');
    expect((await load({ env: { ...both, LOCK_REDIS_URL: '' } })).get('lock.redis.url')).toBe('redis://b');
  });

  test('says which variable sets what', async () => {
    const config = await load({ toml: 'lock.wait = "1s"', env: { REDIS_URL: 'redis://b', LOCK_TTL: '1s' } });
    expect(config.variable('lock.redis.url')).toBe('REDIS_URL');
    expect(config.variable(['lock', 'ttl'])).toBe('LOCK_TTL');
    for (const path of ['lock.wait', 'lock.provider', 'lock', 'lock.lockers', 'nothing.here'])
      expect(config.variable(path)).toBeUndefined();
  });

  test('says what the file sets, though a variable overrides it', async () => {
    const config = await load({ toml: 'lock.wait = "1s"\nlock.ttl = "1s"', env: { LOCK_TTL: '2s' } });
    for (const path of ['lock.wait', ['lock', 'ttl']]) expect(config.isInFile(path)).toBe(true);
    for (const path of ['lock.provider', 'lock', 'nothing.here']) expect(config.isInFile(path)).toBe(false);
  });

  test('a JSON file does as well, and its null is unset', async () => {
    const file = await fileOf('{"lock": {"ttl": null, "wait": "3s", "lockers": null}}', 'json');
    const config = await loadConfig([{ name: 'lock', config: lock }], { file, env: {} });
    expect([config.get('lock.ttl'), config.get('lock.wait')]).toEqual(['30s', '3s']);
  });

  test('text is never read as part of a number, whatever type the default has', async () => {
    const config: ConfigSchema = { n: { default: 5, format: (value) => seconds(value), env: 'N' } };
    expect((await load({ owners: [{ name: 'n', config }], toml: 'n = "10s"' })).get('n')).toBe('10s');
    expect((await load({ owners: [{ name: 'n', config }], env: { N: '10s' } })).get('n')).toBe('10s');
  });

  test('two settings may read one variable, each in its own way', async () => {
    const config: ConfigSchema = {
      a: { ...text, default: null, env: 'X' },
      b: { ...flag, default: null, env: 'X' },
    };
    expect((await load({ owners: [{ name: 'n', config }], env: { X: 'yes' } })).get([])).toEqual({
      a: 'yes',
      b: true,
    });
  });
});

describe('get and has', () => {
  test('what is unset or unknown is undefined', async () => {
    const config = await load();
    for (const path of ['lock.wait', 'lock.nothing', 'lock.ttl.deeper', 'constructor', '']) {
      expect(config.get(path)).toBeUndefined();
      expect(config.has(path)).toBe(false);
    }
    expect(config.has('lock.ttl')).toBe(true);
  });

  test('a section is an object without what is unset', async () => {
    expect((await load()).get('lock')).toEqual({ provider: 'memory', ttl: '30s', redis: {}, lockers: {} });
  });

  test('printing the settings shows no value', async () => {
    const config = await load({ env: { REDIS_URL: 'redis://:secret@host' } });
    const { inspect } = await import('node:util');
    expect(inspect(config, { depth: 9, showHidden: true }) + JSON.stringify(config)).not.toContain('secret');
  });
});

describe('named entries', () => {
  test('the file names them, even one without settings, one called default and one with a dot', async () => {
    const config = await load({
      toml: '[lock.lockers.default]\nttl = "1s"\n[lock.lockers.empty]\n[lock.lockers."a.b"]\nttl = "2s"',
    });
    expect(config.get('lock.lockers')).toEqual({ default: { ttl: '1s' }, empty: {}, 'a.b': { ttl: '2s' } });
    expect(config.get(['lock', 'lockers', 'a.b', 'ttl'])).toBe('2s');
  });

  test('names of object members are names like any other', async () => {
    const config = await load({
      toml: '[lock.lockers.__proto__]\nttl = "1s"\n[lock.lockers.constructor]',
      env: { LOCK_LOCKERS__TOSTRING__TTL: '2s' },
    });
    expect(Object.keys(config.get('lock.lockers') ?? {})).toEqual(['__proto__', 'constructor', 'tostring']);
    expect(config.get('lock.lockers.__proto__')).toEqual({ ttl: '1s' });
    expect(config.get('lock.lockers.constructor')).toEqual({});
  });

  test('a variable sets an entry of the file, whatever the case of its name', async () => {
    const env = { LOCK_LOCKERS__MYJOBS__RETRY_INTERVAL: '7s', LOCK_LOCKERS__ORDERS_EU__TTL: '8s' };
    const config = await load({ toml: '[lock.lockers.myJobs]\nttl = "1s"\n[lock.lockers.orders-eu]', env });
    expect(config.get('lock.lockers')).toEqual({
      myJobs: { ttl: '1s', retry_interval: '7s' },
      'orders-eu': { ttl: '8s' },
    });
  });

  test('a variable beats the file', async () => {
    const config = await load({ toml: '[lock.lockers.a]\nttl = "1s"', env: { LOCK_LOCKERS__A__TTL: '2s' } });
    expect(config.get('lock.lockers.a.ttl')).toBe('2s');
  });

  test('a variable alone makes an entry in lower case, and an empty one makes none', async () => {
    const env = { LOCK_LOCKERS__JOBS__AUTO_RENEW: 'yes', LOCK_LOCKERS__OTHER__TTL: '' };
    expect((await load({ env })).get('lock.lockers')).toEqual({ jobs: { auto_renew: true } });
  });

  test('a name may hold two underscores', async () => {
    const config = await load({ env: { LOCK_LOCKERS__A__B__TTL: '1s' } });
    expect(config.get('lock.lockers')).toEqual({ a__b: { ttl: '1s' } });
  });

  test('known entries are there, with defaults of their own, below file and environment', async () => {
    const known = { Jobs: { ttl: '1s', retry_interval: '1s' }, idle: {} };
    const table = { env: 'T', known, each: lockers.each };
    const owners = [{ name: 'x', config: { t: table } }];
    const config = await load({ owners, toml: 't.Jobs.ttl = "2s"', env: { T__JOBS__AUTO_RENEW: '0' } });
    expect(config.get('t')).toEqual({
      Jobs: { ttl: '2s', retry_interval: '1s', auto_renew: false },
      idle: {},
    });
    const named = await load({ owners: [{ name: 'x', config: { t: { ...table, known: ['a'] } } }] });
    expect(named.get('t')).toEqual({ a: {} });
  });

  test('a variable that may mean two entries is a mistake', async () => {
    const toml = '[lock.lockers.jobs]\n[lock.lockers.Jobs]';
    expect(await mistakesOf({ toml, env: { LOCK_LOCKERS__JOBS__TTL: '1s' } })).toEqual([
      'env LOCK_LOCKERS__JOBS__TTL: expected one entry of that name, got jobs, Jobs',
    ]);
  });

  test('a section of others in the file is a mistake, unless such are to be ignored', async () => {
    const file = await fileOf("[lock]\nttl = '5s'\n[orders]\nurl = 'x'");
    const owners = [{ name: 'lock', config: lock }];
    await expect(loadConfig(owners, { file, env: {} })).rejects.toThrow('orders');
    const config = await loadConfig(owners, { file, env: {}, others: 'ignore' });
    expect(config.get('lock.ttl')).toBe('5s');
    expect(config.has('orders')).toBe(false);
  });

  test('two variables of one entry, in other cases or with other signs, may not set the same', async () => {
    const twice = { LOCK_LOCKERS__JOBS__TTL: '1s', LOCK_LOCKERS__jobs__ttl: '2s' };
    expect(await mistakesOf({ env: twice })).toEqual([
      'env LOCK_LOCKERS__jobs__ttl: LOCK_LOCKERS__JOBS__TTL sets the same already',
    ]);
    expect(await mistakesOf({ env: twice, toml: '[lock.lockers.Jobs]' })).toHaveLength(1);
    const signs = { 'LOCK_LOCKERS__NIGHT-JOBS__TTL': '1s', LOCK_LOCKERS__NIGHT_JOBS__TTL: '2s' };
    expect(await mistakesOf({ env: signs })).toEqual([
      'env LOCK_LOCKERS__NIGHT_JOBS__TTL: LOCK_LOCKERS__NIGHT-JOBS__TTL sets the same already',
    ]);
  });

  test('two variables of one entry, in other cases, may set two things', async () => {
    const config = await load({
      env: { LOCK_LOCKERS__JOBS__TTL: '1s', LOCK_LOCKERS__jobs__RETRY_INTERVAL: '2s' },
    });
    expect(config.get('lock.lockers')).toEqual({ jobs: { ttl: '1s', retry_interval: '2s' } });
  });

  test('the owner is asked about variables that no setting reads, and told which there are', async () => {
    const asked: string[] = [];
    const owner: ConfigOwner = {
      name: 'lock',
      config: lock,
      checkVariable(variable, known) {
        asked.push(variable);
        expect(known).toEqual(
          expect.arrayContaining(['LOCK_TTL', 'REDIS_URL', 'LOCK_LOCKERS__NIGHT_JOBS__TTL']),
        );
        return variable === 'LOCK_TTTL' ? 'is wrong' : undefined;
      },
    };
    const env = { LOCK_TTL: '1s', LOCK_LOCKERS__jobs__ttl: '1s', OTHER: 'x', EMPTY: '', LOCK_TTTL: 'secret' };
    const toml = '[lock.lockers.night-jobs]';
    expect(await mistakesOf({ toml, env, owners: [owner, { name: 'other' }] })).toEqual([
      'env LOCK_TTTL: is wrong',
    ]);
    expect(asked).toEqual(['OTHER', 'LOCK_TTTL']);
  });

  test('an entry without a name is a mistake', async () => {
    expect(await mistakesOf({ toml: '[lock.lockers.""]\nttl = "1s"' })).toEqual([
      expect.stringMatching(/^lock\.lockers \(file .*\) has an entry named "": expected a name$/),
    ]);
  });

  test('a variable without a name, or of an unknown setting, is a mistake', async () => {
    const mistakes = await mistakesOf({
      env: { LOCK_LOCKERS__TTL: '1s', LOCK_LOCKERS__JOBS__TTTL: 'secret' },
    });
    const wanted = 'expected LOCK_LOCKERS__<NAME>__ and one of TTL, RETRY_INTERVAL, AUTO_RENEW, META';
    expect(mistakes).toEqual([
      `env LOCK_LOCKERS__TTL: unknown, ${wanted}`,
      `env LOCK_LOCKERS__JOBS__TTTL: unknown, ${wanted}`,
    ]);
  });

  test('a table of text comes from the file, or whole from a variable as pairs', async () => {
    const toml = '[lock.lockers.a.meta]\n"k8s.io/name" = "x"\nteam = "y"';
    expect((await load({ toml })).get('lock.lockers.a.meta')).toEqual({ 'k8s.io/name': 'x', team: 'y' });
    const env = { LOCK_LOCKERS__A__META: 'a=1, b=x=y' };
    expect((await load({ toml, env })).get('lock.lockers.a.meta')).toEqual({ a: '1', b: 'x=y' });
    const spaced = { LOCK_LOCKERS__A__META: ' a = 1 , b = x y ' };
    expect((await load({ toml, env: spaced })).get('lock.lockers.a.meta')).toEqual({ a: '1', b: 'x y' });
  });

  test('a table of text that is not one is a mistake', async () => {
    const wanted = 'expected a table of text (in a variable: a=1,b=2)';
    expect(await mistakesOf({ env: { LOCK_LOCKERS__A__META: 'abc' } })).toEqual([
      `lock.lockers.a.meta (env LOCK_LOCKERS__A__META) is "abc": ${wanted}`,
    ]);
    const [mistake] = await mistakesOf({ toml: '[lock.lockers.a.meta]\nx = { y = { z = 1 } }' });
    expect(mistake).toMatch(/^lock.lockers.a.meta \(file .*\) is a table: expected a table of text/);
  });
});

describe('flags', () => {
  test.each(['true', '1', 'yes', 'on', 'ON'])('%s is true in a variable', async (value) => {
    expect((await load({ env: { LOCK_AUTO_RENEW: value } })).get('lock.auto_renew')).toBe(true);
  });

  test.each(['false', '0', 'no', 'off', 'No'])('%s is false in a variable', async (value) => {
    expect((await load({ env: { LOCK_AUTO_RENEW: value } })).get('lock.auto_renew')).toBe(false);
  });

  test('anything else is a mistake, in the file even the words', async () => {
    expect(await mistakesOf({ env: { LOCK_AUTO_RENEW: 'maybe' } })).toEqual([
      'lock.auto_renew (env LOCK_AUTO_RENEW) is "maybe": expected true or false',
    ]);
    const [mistake] = await mistakesOf({ toml: 'lock.auto_renew = "no"' });
    expect(mistake).toMatch(/is "no": expected true or false$/);
  });
});

describe('mistakes', () => {
  test('one message lists all, each with its key, its source, its value and what was expected', async () => {
    const toml = 'lok = 1\n[lock]\nttll = "1s"\nwait = 5\nlockers = "x"\n[lock.redis]\nurl = "redis://"';
    const error = await load({ toml, env: { LOCK_TTL: '10x' } }).catch((reason) => reason);
    const file = `file ${join(folder, `${files}.toml`)}`;
    expect(error.message.split('\n')).toEqual([
      'app: config: 5 mistakes',
      `- lok (${file}): unknown, expected lock`,
      `- lock.ttll (${file}): unknown, expected provider, ttl, wait, auto_renew, redis, lockers`,
      `- lock.lockers (${file}) is a string: expected a table`,
      '- lock.ttl (env LOCK_TTL) is "10x": expected seconds such as 30s',
      `- lock.wait (${file}) is 5: expected seconds such as 30s`,
    ]);
    expect(error).toMatchObject({ code: 'APP_CONFIG', name: 'ConfigError' });
  });

  test('a bad default is a mistake in code', async () => {
    const config: ConfigSchema = { a: { default: 3, format: [1, 2, 'x'] } };
    expect(await mistakesOf({ owners: [{ name: 'a', config }] })).toEqual([
      'a (in code) is 3: expected one of 1, 2, "x"',
    ]);
  });

  test('a sensitive value is not shown, nor what its format says of it', async () => {
    const error = await load({ env: { REDIS_URL: 'http://:secret@host' } }).catch((reason) => reason);
    expect(error.message).toBe('app: config: lock.redis.url (env REDIS_URL) is not shown here: not accepted');
  });

  test('a value without a place is not shown, since its key may be a sensitive one misspelt', async () => {
    const mistakes = await mistakesOf({ toml: '[lock]\nredis = "secret"\nurll = "secret"' });
    expect(mistakes).toHaveLength(2);
    expect(mistakes.join()).not.toContain('secret');
  });

  test('an unknown section is a mistake even where nothing is known', async () => {
    expect((await mistakesOf({ owners: [], toml: '[lock]' }))[0]).toMatch(
      /^lock .*unknown, expected nothing here$/,
    );
  });

  test('a table where a value belongs is a mistake, however deep', async () => {
    const [mistake] = await mistakesOf({ toml: '[lock.ttl.a.b]\nc = 1' });
    expect(mistake).toMatch(/^lock.ttl .* is a table: expected seconds/);
  });

  test('a file that is no table, and a date or a list where a table belongs, are mistakes', async () => {
    const file = await fileOf('[]', 'json');
    const loading = loadConfig([{ name: 'lock', config: lock }], { file, env: {} });
    await expect(loading).rejects.toThrow('the whole (file');
    expect((await mistakesOf({ toml: 'lock = 2020-01-01' }))[0]).toMatch(/is a date: expected a table$/);
    expect((await mistakesOf({ toml: 'lock = [1]' }))[0]).toMatch(/is an array: expected a table$/);
  });

  test('the owner of all mistakes makes the error', async () => {
    const owner = { name: 'lock', config: lock, configError: (message: string) => new RangeError(message) };
    const other = { name: 'other', config: { other: { ...flag, default: null, env: 'OTHER' } } };
    const owners = [owner, other];
    await expect(load({ owners, env: { LOCK_TTL: 'x' } })).rejects.toThrow(RangeError);
    await expect(load({ owners, env: { LOCK_TTL: 'x', OTHER: 'x' } })).rejects.toThrow(ConfigError);
    await expect(load({ owners, env: { OTHER: 'x' } })).rejects.toThrow(ConfigError);
    await expect(load({ owners, toml: 'lok = 1' })).rejects.toThrow(ConfigError);
  });

  test('two owners of one section are refused', async () => {
    const owners = [
      { name: 'a', config: lock },
      { name: 'b', config: lock },
    ];
    const error = await load({ owners }).catch((reason) => reason);
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({
      code: 'APP_USAGE',
      message: 'app: the setting "lock" is both of provider "a" and "b"',
    });
  });
});

describe('a type', () => {
  const settle = async (format: unknown, words: string) => {
    const web = { web: { at: { default: null, format, env: 'AT' } } } as ConfigSchema;
    const config = await loadConfig([{ name: 'web', config: web }], { env: { AT: words } }).catch(
      (error: Error) => error,
    );
    return config instanceof Error ? config.message : config.get('web.at');
  };

  test.each([
    [String, '10s', '10s'],
    ['String', '8080', '8080'],
    [Number, '-1.5', -1.5],
    ['Number', ' 7 ', 7],
    [Boolean, 'no', false],
    ['Boolean', 'true', true],
    ['int', '-3', -3],
    ['nat', '0', 0],
    ['port', '65535', 65_535],
  ])('%p makes of the text %p the value %p', async (format, words, value) => {
    expect(await settle(format, words)).toBe(value);
  });

  test.each([
    ['Number', '10s', 'a number'],
    [Number, ' ', 'a number'],
    ['int', '1.5', 'a whole number'],
    ['nat', '-1', 'a whole number of at least 0'],
    ['port', '65536', 'a whole number from 0 to 65535'],
    ['port', '-1', 'a whole number from 0 to 65535'],
    ['Boolean', 'maybe', 'true or false'],
  ])('%p refuses %p', async (format, words, expected) => {
    expect(await settle(format, words)).toContain(`web.at (env AT) is "${words}": expected ${expected}`);
  });

  test('in a file takes a value of that type only', async () => {
    const file = await fileOf('[web]\nport = "80"\nname = 5\nhosts = 3');
    const config = {
      web: {
        port: { default: 1, format: 'port' },
        name: { default: 'x', format: String },
        hosts: { default: 1, format: 'nat' },
      },
    } as const;
    const refused = await loadConfig([{ name: 'web', config }], { file, env: {} }).catch((error) => error);
    expect(refused).toBeInstanceOf(ConfigError);
    expect(refused.mistakes).toHaveLength(2);
  });
});
