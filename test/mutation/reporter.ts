import { writeFileSync } from 'node:fs';

interface TestFile {
  readonly testFilePath: string;
  readonly testResults: readonly { readonly fullName: string; readonly status: string }[];
  readonly testExecError?: unknown;
}

/** Which tests of a file failed; none: it does not load. */
export interface Failure {
  readonly file: string;
  readonly tests: readonly string[];
}

/** Writes the first file of tests that fails: jest writes no report where it stops at the first failure. */
export default class FirstFailure {
  #told = false;

  onTestResult(_test: unknown, { testFilePath: file, testResults, testExecError }: TestFile): void {
    const tests = testResults.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName);
    if (this.#told || (tests.length === 0 && !testExecError)) return;
    this.#told = true;
    writeFileSync('failure.json', JSON.stringify({ file, tests } satisfies Failure));
  }
}
