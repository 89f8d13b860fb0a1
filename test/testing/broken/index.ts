import type { Broken } from './broken.js';
import { exclusion } from './exclusion.js';
import { expiry } from './expiry.js';
import { extension } from './extension.js';
import { fences } from './fences.js';
import { inspection } from './inspection.js';
import { limits } from './limits.js';
import { order } from './order.js';
import { peers } from './peers.js';
import { readers } from './readers.js';
import { rests } from './rests.js';
import { revocation } from './revocation.js';
import { waiting } from './waiting.js';

export const BROKEN: readonly Broken[] = [
  ...exclusion,
  ...fences,
  ...waiting,
  ...order,
  ...readers,
  ...limits,
  ...expiry,
  ...extension,
  ...rests,
  ...inspection,
  ...revocation,
  ...peers,
];
