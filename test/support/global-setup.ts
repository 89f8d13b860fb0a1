// @ts-expect-error jest loads this file without moduleNameMapper, so nothing would turn `.js` into `.ts`
import { ensureRedis } from './redis-binary';

export default function globalSetup(): void {
  ensureRedis();
}
