// `node --import ./loaded.mjs app.js`: writes the names of the packages that the program has loaded to $LOADED.
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';

const session = new Session();
const scripts = new Set();
session.connect();
session.on('Debugger.scriptParsed', ({ params }) => scripts.add(params.url));
session.post('Debugger.enable');
process.on('exit', () => {
  const names = [...scripts].map((url) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]);
  writeFileSync(process.env.LOADED, JSON.stringify([...new Set(names)].filter(Boolean).sort()));
});
