/**
 * What `npm run build` makes of the three processes: one file each, beside what is loaded on first
 * use. A process that reads one file starts three times as fast as one that reads two hundred, and
 * keeps less of them in memory (docs/performance.md).
 */

import { defineConfig, type OutputOptions } from 'rolldown';
import { precompiledValidators } from './gateway/validators/precompile.ts';

const processes = ['gateway/main', 'portal/main', 'deploy/edge/main'];

export const output: OutputOptions = {
  dir: 'dist',
  format: 'esm',
  cleanDir: true,
  chunkFileNames: 'chunks/[name]-[hash].js',
};

export default defineConfig({
  cwd: import.meta.dirname,
  input: Object.fromEntries(processes.map((name) => [name, `${name}.ts`])),
  platform: 'node',
  // Native code stays where npm put it; fastify writes code at run time that asks for its own files.
  external: ['uWebSockets.js', 'better-sqlite3', 'argon2', /^@?fastify/],
  plugins: [precompiledValidators()],
  output,
});
