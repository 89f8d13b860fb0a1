import unit from '../../jest.unit.config.js';

/** The unit tests that import a file; without src among the roots, jest would see only those that import it themselves. */
export default {
  ...unit,
  rootDir: '../..',
  roots: ['<rootDir>/test', '<rootDir>/src'],
  testPathIgnorePatterns: [...unit.testPathIgnorePatterns, '<rootDir>/test/(cli|types|imports|mutation)'],
};
