// Runs a program on the Node that it was tested with (the dependency `node`), whatever the host has.
// Plain JavaScript, because the host's Node may be too old to read anything else.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
/**
 * V8 collects and compiles in one thread of its own instead of four: those four have the same right to a core as the
 * event loop, which came to a fifth of it for as long as a collection took. The units in deploy/systemd say the same.
 */
const FLAGS = createRequire(import.meta.url)('./node-flags.json');
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** `main` is the program's path without its ending, such as `gateway/main`. */
export function launch(name, main) {
  const pinned = dirname(createRequire(import.meta.url).resolve('node/package.json'));
  const executable = process.platform === 'win32' ? 'node.exe' : 'node';
  // A checkout has the sources, and Node strips their types; the published package has only dist,
  // because Node strips no types below node_modules.
  const source = join(root, `${main}.ts`);
  const program = existsSync(source) ? source : join(root, 'dist', `${main}.js`);
  const args = [...FLAGS, program, ...process.argv.slice(2)];
  const child = spawn(join(pinned, 'bin', executable), args, { stdio: 'inherit' });
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`${name}: cannot start its own Node: ${error.message}`);
    console.error('Its install script may not have run: install the package again.');
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal) {
      for (const each of SIGNALS) process.removeAllListeners(each);
      process.kill(process.pid, signal);
    } else {
      process.exit(code ?? 1);
    }
  });
}
