import { blockTests } from './blocks.js';
import { callTests } from './calls.js';
import { threadFaultTests } from './faults.js';
import type { Children, ThreadBackend } from './kit.js';

/** What renewal in a thread promises, whatever the backend. Call it in a file of tests. */
export function threadSuite(backend: ThreadBackend, children: Children): void {
  blockTests(backend, children);
  threadFaultTests(backend, children);
  callTests(backend, children);
}
