import { Inject, type InjectionToken } from '@nestjs/common';
import { checkText } from '../core/check.js';
import { Locker } from '../lease/locker.js';
import { DEFAULT_LOCKER } from '../registry.js';

/**
 * What a locker is provided as: the class `Locker` for `default`, text for every other. For `overrideProvider` in tests.
 * @throws LockUsageError
 */
export function getLockerToken(name: string = DEFAULT_LOCKER): InjectionToken<Locker> {
  return checkText('name', name) === DEFAULT_LOCKER ? Locker : `latchkey locker "${name}"`;
}

/** Injects the locker of that name, by default `default`; that one is injected by its class `Locker` too. */
export function InjectLocker(name?: string): PropertyDecorator & ParameterDecorator {
  return Inject(getLockerToken(name));
}
