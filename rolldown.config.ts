/**
 * What `npm run build` makes of the three processes: one file each, beside what is loaded on first
 * use. A process that reads one file starts three times as fast as one that reads two hundred, and
 * keeps less of them in memory (docs/performance.md).
 */

import { defineConfig, type OutputOptions, rolldown } from 'rolldown';
import { precompiledValidators } from './gateway/validators/precompile.ts';

const processes = ['gateway/main', 'portal/main', 'deploy/edge/main'];

const output: OutputOptions = {
  dir: 'dist',
  format: 'esm',
  cleanDir: true,
  chunkFileNames: 'chunks/[name]-[hash].js',
};

const config = defineConfig({
  cwd: import.meta.dirname,
  input: Object.fromEntries(processes.map((name) => [name, `${name}.ts`])),
  platform: 'node',
  // Native code stays where npm put it; fastify writes code at run time that asks for its own files.
  external: ['uWebSockets.js', 'better-sqlite3', 'argon2', /^@?fastify/],
  plugins: [precompiledValidators()],
  output,
});

export default config;

/** All three into the folder, in place of what it holds. */
export async function buildPrograms(folder: string): Promise<void> {
  const bundle = await rolldown(config);
  await bundle.write({ ...output, dir: folder });
  await bundle.close();
}
