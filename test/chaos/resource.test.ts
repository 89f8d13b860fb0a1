import { expect, test } from '@jest/globals';
import { FencedResource } from './resource.js';

const at = (hold: string, fence: number, mode: 'read' | 'write' = 'write') => ({
  key: 'k',
  hold,
  fence,
  mode,
});

test('refuses who comes after a larger fence, and counts it as an overlap', () => {
  const resource = new FencedResource(true);
  expect(resource.access(at('a', 1))).toEqual({ ok: true, value: 0 });
  expect(resource.access({ ...at('a', 1), write: 1 })).toEqual({ ok: true, value: 1 });
  expect(resource.access(at('b', 2))).toEqual({ ok: true, value: 1 });
  expect(resource.access({ ...at('a', 1), write: 2 })).toEqual({ ok: false, value: 1 });
  expect(resource).toMatchObject({ accepted: 3, refused: 1, violations: [] });
  expect([...resource.overlapping]).toEqual(['a']);
});

test('lets readers be together, and not with a writer that came later', () => {
  const resource = new FencedResource(true);
  for (const fence of [2, 1]) expect(resource.access(at(`r${fence}`, fence, 'read')).ok).toBe(true);
  expect(resource.access(at('w', 1.5)).ok).toBe(false);
  expect(resource.access(at('w', 3)).ok).toBe(true);
  expect(resource.access(at('r1', 1, 'read')).ok).toBe(false);
});

test('without its check accepts what is stale, and says so; an update that is lost too', () => {
  const resource = new FencedResource(false);
  resource.access(at('a', 1));
  resource.access({ ...at('b', 2), write: 1 });
  resource.access({ ...at('a', 1), write: 1 });
  expect(resource.violations.map(({ kind }) => kind)).toEqual(['stale access accepted', 'lost update']);
});

test('tells two holds with one fence apart', () => {
  const resource = new FencedResource(true);
  resource.access(at('a', 1));
  resource.access(at('b', 1));
  expect(resource.violations).toEqual([{ kind: 'fence shared', what: 'k: b and a (1)' }]);
});
