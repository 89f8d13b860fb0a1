export { type ConformanceOptions, driverConformance, type Expect } from './conformance.js';
export { FakeClock } from './fake-clock.js';
export { type HistoryEvent, historyNow } from './history.js';
export { checkHistory, shrinkHistory, type Violation, type ViolationKind } from './history-check.js';
export { type MemoryLocksOptions, memoryLocks } from './memory-locks.js';
export type { ModelLink } from './model-connection.js';
export { type ModelConnectOptions, ModelServer, type ModelServerOptions } from './model-server.js';
export { type ModelCut, ModelStore } from './model-store.js';
export { type StoreConformanceOptions, storeConformance } from './store-conformance.js';
