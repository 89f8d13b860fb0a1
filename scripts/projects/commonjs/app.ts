import { LockRegistry } from 'latchkey/locks';

// Compiled to require().
async function main(): Promise<void> {
  const registry = new LockRegistry();
  const fence = await registry.mustOf().with('daily-report', (lease) => lease.fence);
  console.log(`built under fence ${fence}`);
  await registry.close();
}

void main();
