import { messageOf } from '../text/message-of.js';

/** The state of each part, by name. */
export type Health = Record<string, HealthStatus>;

export interface HealthStatus {
  status: 'up' | 'down';
  /** How long it took to find out. */
  latencyMs?: number;
  /** Why it is down. */
  error?: string;
}

/**
 * The answer of a health check: its own state, the states of several parts by name, or nothing when everything works.
 * Otherwise it rejects.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: an async function that returns nothing must fit
export type HealthAnswer = Promise<HealthStatus | Health | void>;

interface Checked {
  name: string;
  health?(): HealthAnswer;
}

/**
 * The health of all that can tell theirs. One that only resolves or rejects is told by its name and the time it
 * took; of two records of one name, the worse stands. Never rejects.
 */
export async function healthOf(parts: readonly Checked[]): Promise<Health> {
  const merged: Health = {};
  for (const health of await Promise.all(parts.filter((part) => part.health).map(check))) {
    for (const [name, status] of Object.entries(health)) {
      if (merged[name]?.status !== 'down') merged[name] = status;
    }
  }
  return merged;
}

async function check(part: Checked): Promise<Health> {
  const asked = performance.now();
  const latencyMs = () => Math.round((performance.now() - asked) * 1000) / 1000;
  try {
    const health = (await part.health?.()) ?? { status: 'up', latencyMs: latencyMs() };
    return isStatus(health) ? { [part.name]: health } : health;
  } catch (error) {
    return { [part.name]: { status: 'down', latencyMs: latencyMs(), error: messageOf(error) } };
  }
}

/** A part may have the name `status`; its state is no text. */
function isStatus(health: HealthStatus | Health): health is HealthStatus {
  return typeof health.status === 'string';
}
