import { Inject, type InjectionToken } from '@nestjs/common';
import { checkText } from '../core/check.js';
import { Locker } from '../lease/locker.js';
import { DEFAULT_LOCKER } from '../registry.js';

/**
 * The injection token of a locker: the class `Locker` for `default`, text for every other. Use it with
 * `overrideProvider` in tests.
 * @throws LockUsageError
 */
export function getLockerToken(name: string = DEFAULT_LOCKER): InjectionToken<Locker> {
  return checkText('name', name) === DEFAULT_LOCKER ? Locker : `latchkey locker "${name}"`;
}

/** Injects the locker of that name (default `default`). The class `Locker` also injects the default locker. */
export function InjectLocker(name?: string): PropertyDecorator & ParameterDecorator {
  return Inject(getLockerToken(name));
}
