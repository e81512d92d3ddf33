/** The gateway as `npm run build` makes it, which is what operators run. */

import { join } from 'node:path';
import { buildPrograms } from '../rolldown.config.ts';
import { script } from './processes.ts';

/** What `--profile` runs. */
export const SOURCE_MAIN = script('..', 'gateway', 'main.ts');

/** Into the folder; the program's path. */
export async function buildGateway(folder: string): Promise<string> {
  await buildPrograms(folder);
  return join(folder, 'gateway', 'main.js');
}
