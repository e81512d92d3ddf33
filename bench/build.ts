/** The gateway as `npm run build` makes it, which is what operators run. */

import { join } from 'node:path';
import { rolldown } from 'rolldown';
import config, { output } from '../rolldown.config.ts';
import { script } from './processes.ts';

/** What `--profile` runs. */
export const SOURCE_MAIN = script('..', 'gateway', 'main.ts');

/** Into the folder; the program's path. */
export async function buildGateway(folder: string): Promise<string> {
  const bundle = await rolldown(config);
  await bundle.write({ ...output, dir: folder });
  await bundle.close();
  return join(folder, 'gateway', 'main.js');
}
