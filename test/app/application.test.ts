import { describe, expect, jest, test } from '@jest/globals';
import { Container } from 'inversify';
import { createApp } from '../../src/app/application.js';
import { AppError, ConfigError } from '../../src/app/errors.js';
import type { App, Provider } from '../../src/app/provider.js';
import { flag } from '../../src/app/schema.js';

function recorder() {
  const calls: string[] = [];
  const part = (name: string, hooks: Partial<Provider> = {}): Provider => ({
    name,
    register: () => void calls.push(`register ${name}`),
    start: async () => {
      await null;
      calls.push(`start ${name}`);
    },
    stop: async () => {
      await null;
      calls.push(`stop ${name}`);
    },
    ...hooks,
  });
  return { calls, part };
}

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

const fail = (message: string) => () => Promise.reject(new Error(message));
const coded = (code: string, message: string | RegExp = /./) =>
  expect.objectContaining({
    name: expect.stringMatching(/AppError/),
    code,
    message: expect.stringMatching(message),
  });
const thrown = (action: () => unknown) => {
  try {
    action();
  } catch (error) {
    return error;
  }
};

describe('install', () => {
  test('takes providers and functions that give one, called at once', () => {
    let called = 0;
    createApp({ env: {} }).install({ name: 'a' }, () => {
      called++;
      return { name: 'b' };
    });
    expect(called).toBe(1);
  });

  test('a function may itself install', async () => {
    const { calls, part } = recorder();
    const app = createApp({ env: {} });
    app.install(() => {
      app.install(part('needed'));
      return part('a');
    });
    await app.start();
    expect(calls.slice(2)).toEqual(['start needed', 'start a']);
  });

  test('after start is refused, and while it starts as well', async () => {
    const app = createApp({ env: {} });
    const starting = app.start();
    expect(thrown(() => app.install({ name: 'a' }))).toEqual(coded('APP_FROZEN'));
    await starting;
    expect(thrown(() => app.install({ name: 'a' }))).toEqual(coded('APP_FROZEN'));
  });

  test('two of one name are refused, and then none of the call is installed', async () => {
    const { calls, part } = recorder();
    const app = createApp({ env: {} }).install(part('a'));
    expect(thrown(() => app.install(part('b'), part('a')))).toEqual(coded('APP_DUPLICATE_PROVIDER', '"a"'));
    await app.start();
    expect(calls).toEqual(['register a', 'start a']);
  });

  test.each([
    [null, 'expected a provider to be an object, got null'],
    [() => 5, 'expected a provider to be an object, got 5'],
    [{ name: '' }, 'expected the `name` of a provider to be text that is not empty, got ""'],
    [{ name: 'a', start: 5 }, 'expected `start` of provider "a" to be a function, got 5'],
    [{ name: 'a', config: 5 }, 'expected `config` of provider "a" to be an object, got 5'],
    [
      { name: 'a', config: { b: 1 } },
      'expected `config` of provider "a", at "b", to be a setting, a table or a section',
    ],
    [{ name: 'a', config: { b: { default: 1 } } }, 'at "b", to be a function, a list, or one of String'],
    [
      { name: 'a', config: { b: { c: { default: 1, format: 'prot' } } } },
      'expected `format` in `config` of provider "a", at "b", at "c", to be a function, a list, or one of String, Number, Boolean, int, nat, port, got "prot"',
    ],
    [
      { name: 'a', config: { b: { each: { c: {} } } } },
      'to be settings only, each with a `default`, got "c"',
    ],
  ])('a bad provider is refused: %j', (provider, message) => {
    const error = thrown(() => createApp().install(provider as never));
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ code: 'APP_USAGE', message: expect.stringContaining(message) });
  });
});

describe('options', () => {
  test.each([
    [null, 'expected the options to be an object, got null'],
    [{ configFile: '' }, 'expected `configFile` to be a path, got ""'],
    [{ env: 'x' }, 'expected `env` to be an object, got "x"'],
    [{ container: {} }, 'expected `container` to be an inversify Container, got a table'],
    [{ signals: 'yes' }, 'expected `signals` to be true or false, got "yes"'],
    [
      { configfile: 'x' },
      'expected an option to be one of configFile, env, container, signals, got "configfile"',
    ],
  ])('a bad option is refused: %j', (options, message) => {
    expect(thrown(() => createApp(options as never))).toMatchObject({
      code: 'APP_USAGE',
      message: `app: ${message}`,
    });
  });

  test('the environment is that of the process unless another is given', async () => {
    const config = { a: { ...flag, default: null, env: 'LATCHKEY_TEST_APP_FLAG' } };
    process.env.LATCHKEY_TEST_APP_FLAG = 'on';
    try {
      const app = await createApp().install({ name: 'a', config }).start();
      const other = await createApp({ env: {} }).install({ name: 'a', config }).start();
      expect([app.config.get('a'), other.config.get('a')]).toEqual([true, undefined]);
      expect([app.env, other.env]).toEqual([process.env, {}]);
    } finally {
      delete process.env.LATCHKEY_TEST_APP_FLAG;
    }
  });
});

describe('start', () => {
  test('registers all, then starts all, in the order of installation, and gives the app', async () => {
    const { calls, part } = recorder();
    const app = createApp({ env: {} }).install(part('a'), part('b'));
    expect(await app.start()).toBe(app);
    expect(calls).toEqual(['register a', 'register b', 'start a', 'start b']);
  });

  test('happens once, however often it is called', async () => {
    const { calls, part } = recorder();
    const app = createApp({ env: {} }).install(part('a'));
    await Promise.all([app.start(), app.start()]);
    await app.start();
    expect(calls).toEqual(['register a', 'start a']);
  });

  test('gives register the container and the settings', async () => {
    const app = createApp({ env: { A: 'on' } });
    let seen: unknown;
    app.install({
      name: 'a',
      config: { a: { ...flag, default: null, env: 'A' } },
      register: ({ container, config }) => {
        seen = [container === app.container, config === app.config, config.get('a')];
      },
    });
    await app.start();
    expect(seen).toEqual([true, true, true]);
  });

  test('hooks are called with this', async () => {
    class Part implements Provider {
      name = 'part';
      seen: unknown[] = [];
      register() {
        this.seen.push(this);
      }
      start(app: App) {
        this.seen.push(this, app);
      }
      stop(app: App) {
        this.seen.push(this, app);
      }
    }
    const part = new Part();
    const app = await createApp({ env: {} }).install(part).start();
    await app.stop();
    expect(part.seen).toEqual([part, part, app, part, app]);
  });

  test('that fails stops what had started, in reverse, and rejects with the first cause', async () => {
    const { calls, part } = recorder();
    const app = createApp({ env: {} }).install(
      part('a', { stop: fail('stop a') }),
      part('b'),
      part('c', { start: fail('start c') }),
      part('d'),
    );
    await expect(app.start()).rejects.toThrow('start c');
    expect(calls).toEqual([
      'register a',
      'register b',
      'register c',
      'register d',
      'start a',
      'start b',
      'stop b',
    ]);
  });

  test('whose register fails stops nothing, since nothing had started', async () => {
    const { calls, part } = recorder();
    const app = createApp({ env: {} }).install(part('a'), part('b', { register: fail('no') }));
    await expect(app.start()).rejects.toThrow('no');
    expect(calls).toEqual(['register a']);
  });

  test('that failed is final: it rejects again with the same cause, and the app counts as stopped', async () => {
    const app = createApp({ env: {} }).install({ name: 'a', start: fail('no') });
    const cause = await app.start().catch((reason) => reason);
    await expect(app.start()).rejects.toBe(cause);
    expect(thrown(() => app.get('x'))).toEqual(coded('APP_STOPPED'));
    await app.stop();
  });

  test('with bad settings registers nothing', async () => {
    const { calls, part } = recorder();
    const config = { a: { ...flag, default: null, env: 'A' } };
    const app = createApp({ env: { A: 'x' } }).install(part('a', { config }));
    await expect(app.start()).rejects.toThrow(ConfigError);
    expect(calls).toEqual([]);
    await expect(createApp({ configFile: '/nowhere.toml', env: {} }).start()).rejects.toThrow(
      '/nowhere.toml',
    );
  });

  test('after stop is refused', async () => {
    const app = await createApp({ env: {} }).start();
    await app.stop();
    await expect(app.start()).rejects.toEqual(coded('APP_STOPPED'));
  });
});

describe('stop', () => {
  test('runs in reverse, once, however often it is called', async () => {
    const { calls, part } = recorder();
    const app = await createApp({ env: {} }).install(part('a'), part('b')).start();
    await Promise.all([app.stop(), app.stop()]);
    await app.stop();
    expect(calls.slice(4)).toEqual(['stop b', 'stop a']);
  });

  test('runs every stop, and then rejects with the first failure', async () => {
    const { calls, part } = recorder();
    const app = createApp({ env: {} }).install(
      part('a'),
      part('b', { stop: fail('b') }),
      part('c', { stop: fail('c') }),
    );
    await app.start();
    await expect(app.stop()).rejects.toThrow('c');
    expect(calls.at(-1)).toBe('stop a');
  });

  test('while starting waits for the start, then stops', async () => {
    const { calls, part } = recorder();
    const { open, opened } = gate();
    const app = createApp({ env: {} }).install(part('a', { start: () => opened }), part('b'));
    const starting = app.start();
    const stopping = app.stop();
    open();
    await Promise.all([starting, stopping]);
    expect(calls).toEqual(['register a', 'register b', 'start b', 'stop b', 'stop a']);
  });

  test('while a start hangs stops what had started, and the start rejects', async () => {
    jest.useFakeTimers({ doNotFake: ['performance'] });
    try {
      const { calls, part } = recorder();
      const { open, opened } = gate();
      let signal: AbortSignal | undefined;
      const start = (_: App, given: AbortSignal) => {
        signal = given;
        return opened;
      };
      const app = createApp({ env: {} }).install(part('a'), part('b', { start }), part('c'));
      const starting = app.start().catch((reason) => reason);
      await jest.advanceTimersByTimeAsync(1);
      const stopping = app.stop();
      await jest.advanceTimersByTimeAsync(4_900);
      expect(calls.slice(3)).toEqual(['start a']);
      expect(signal?.aborted).toBe(false);
      await jest.advanceTimersByTimeAsync(200);
      await stopping;
      expect(await starting).toEqual(coded('APP_STOPPED', /within 5000 ms/));
      expect(signal?.reason).toBe(await starting);
      expect(calls.slice(3)).toEqual(['start a', 'stop a']);
      expect(thrown(() => app.get('x'))).toEqual(coded('APP_STOPPED'));
      open();
      await jest.advanceTimersByTimeAsync(1);
      expect(calls.slice(3)).toEqual(['start a', 'stop a', 'stop b']);
    } finally {
      jest.useRealTimers();
    }
  });

  test('while a start fails does nothing of its own', async () => {
    const { calls, part } = recorder();
    const app = createApp({ env: {} }).install(part('a'), part('b', { start: fail('no') }));
    const starting = app.start();
    const stopping = app.stop();
    await expect(starting).rejects.toThrow('no');
    await stopping;
    expect(calls.filter((call) => call.startsWith('stop'))).toEqual(['stop a']);
  });

  test('while a start that failed stops the others for long waits for that, and stops nothing again', async () => {
    jest.useFakeTimers({ doNotFake: ['performance'] });
    try {
      const { calls, part } = recorder();
      const { open, opened } = gate();
      const slow = async () => {
        calls.push('stop b');
        await opened;
        throw new Error('stuck');
      };
      const app = createApp({ env: {} }).install(
        part('a'),
        part('b', { stop: slow }),
        part('c', { start: fail('no') }),
      );
      const starting = app.start().catch((reason) => reason);
      await jest.advanceTimersByTimeAsync(1);
      const stopping = app.stop().catch((reason) => reason);
      await jest.advanceTimersByTimeAsync(6_000);
      open();
      expect([await starting, await stopping]).toEqual([new Error('no'), new Error('stuck')]);
      expect(calls.filter((call) => call.startsWith('stop'))).toEqual(['stop b', 'stop a']);
    } finally {
      jest.useRealTimers();
    }
  });

  test('before start does nothing', async () => {
    const app = createApp({ env: {} });
    await app.stop();
    await app.start();
  });

  test('leaves a lent container as it is', async () => {
    const container = new Container();
    container.bind('mine').toConstantValue(1);
    const app = await createApp({ container, env: {} }).start();
    expect(app.container).toBe(container);
    await app.stop();
    expect(container.get('mine')).toBe(1);
  });

  test('is what disposal does', async () => {
    const { calls, part } = recorder();
    {
      await using app = await createApp({ env: {} }).install(part('a')).start();
      expect(app.container).toBeInstanceOf(Container);
    }
    expect(calls.at(-1)).toBe('stop a');
  });
});

describe('get, config and health', () => {
  test('get gives what is bound, by name or without one, from the start hooks to the last stop hook', async () => {
    const seen: unknown[] = [];
    const app = createApp({ env: {} }).install({
      name: 'a',
      register({ container }) {
        container.bind('x').toConstantValue('plain').whenDefault();
        container.bind('x').toConstantValue('jobs').whenNamed('jobs');
      },
      start: (self) => void seen.push(self.get('x')),
      stop: (self) => void seen.push(self.get('x', { name: 'jobs' })),
    });
    await app.start();
    expect([app.get('x'), app.get('x', { name: 'jobs' })]).toEqual(['plain', 'jobs']);
    await app.stop();
    expect(seen).toEqual(['plain', 'jobs']);
  });

  test('before start there is none of them', async () => {
    const app = createApp({ env: {} });
    expect(thrown(() => app.get('x'))).toEqual(coded('APP_NOT_STARTED'));
    expect(thrown(() => app.config)).toEqual(coded('APP_NOT_STARTED'));
    await expect(app.health()).rejects.toEqual(coded('APP_NOT_STARTED'));
  });

  test('after stop there is no get and no health', async () => {
    const app = await createApp({ env: {} }).start();
    await app.stop();
    expect(thrown(() => app.get('x'))).toEqual(coded('APP_STOPPED'));
    await expect(app.health()).rejects.toEqual(coded('APP_STOPPED'));
  });

  test('health merges what the providers say', async () => {
    const app = createApp({ env: {} }).install(
      { name: 'a', async health() {} },
      { name: 'b', health: async () => ({ 'b.one': { status: 'down', error: 'gone' } }) },
    );
    await app.start();
    expect(await app.health()).toEqual({
      a: { status: 'up', latencyMs: expect.any(Number) },
      'b.one': { status: 'down', error: 'gone' },
    });
  });
});
