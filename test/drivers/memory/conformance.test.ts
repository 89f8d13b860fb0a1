import { describe, expect, test } from '@jest/globals';
import { memoryDriver } from '../../../src/drivers/memory.js';
import { driverConformance } from '../../../src/testing/conformance.js';

driverConformance({ createDriver: () => memoryDriver(), test, expect, describe });
