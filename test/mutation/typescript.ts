import { Instrumenter } from '@stryker-mutator/instrumenter';
import { type Mutant, mutantAt } from './mutant.js';

type Log = ConstructorParameters<typeof Instrumenter>[0];

const silent = new Proxy({} as Log, {
  get: (_, name) => (String(name).startsWith('is') ? () => false : () => {}),
});

/** What StrykerJS would change in this file, without texts that only people read. */
export async function typescriptMutants(file: string, text: string): Promise<Mutant[]> {
  const lines = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines.push(at + 1);
  const { mutants } = await new Instrumenter(silent).instrument(
    [{ name: file, mutate: true, content: text }],
    {
      excludedMutations: [],
      ignorers: [],
      plugins: null,
      noHeader: true,
    },
  );
  return mutants
    .map(({ location: { start, end }, replacement, mutatorName }) => ({
      mutatorName,
      mutant: mutantAt(
        file,
        text,
        lines[start.line]! + start.column,
        lines[end.line]! + end.column,
        replacement,
      ),
    }))
    .filter(({ mutatorName, mutant }) => mutatorName !== 'StringLiteral' || !/\s/.test(mutant.from))
    .map(({ mutant }) => mutant);
}
