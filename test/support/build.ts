/**
 * Builds the programs once for a run of the tests, as `npm run build` does: what is tested is what operators run, and
 * it starts for a fifth of the processor time that its sources take.
 */

import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { buildPrograms } from '../../rolldown.config.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The folder that the programs were built into. */
    programs: string;
  }
}

/** Where the programs find their packages, and no other run of the tests is in the way. */
const FOLDER = join(
  import.meta.dirname,
  '..',
  '..',
  'node_modules',
  '.cache',
  `oc-programs-${process.pid}`,
);

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await build();
  project.onTestsRerun(build);
  project.provide('programs', FOLDER);
  return () => rm(FOLDER, { recursive: true, force: true });
}

async function build(): Promise<void> {
  await buildPrograms(FOLDER);
  // A package of its own for Node, because it lies below node_modules.
  await writeFile(join(FOLDER, 'package.json'), '{ "type": "module" }\n');
}
