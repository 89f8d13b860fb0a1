import { expect, test } from '@jest/globals';
import { messageOf } from '../../src/text/message-of.js';

const failing = {
  toString() {
    throw new Error('no');
  },
};

test.each([
  [new Error('full'), 'full'],
  ['full', 'full'],
  [undefined, 'undefined'],
  [Symbol('full'), 'Symbol(full)'],
  [Object.create(null), 'something that is no error was thrown'],
  [failing, 'something that is no error was thrown'],
])('of what was thrown the message is told, whatever it is: %#', (thrown, message) => {
  expect(messageOf(thrown)).toBe(message);
});
