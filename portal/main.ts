/** The executable: what the command line asks for, done; its exit code is the process's. */

import { runCli } from './cli/cli.ts';

// `oc-portal users list | head` closes the pipe early: that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

process.exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  folder: import.meta.dirname,
});
