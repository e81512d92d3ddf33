/** Passwords come from standard input or a terminal, never from the command line, where others see it. */

import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { hashPassword, passwordProblem } from '../auth/passwords.ts';
import type { Io } from './io.ts';
import { CommandError } from './with-store.ts';

/** More than any password has, in bytes. */
const LONGEST_INPUT = 4096;

/** The hash of what the operator typed or piped. @throws {CommandError} if it is no usable password. */
export async function askPasswordHash(io: Io, fromStdin: boolean): Promise<string> {
  const password = fromStdin ? await readPipedLine(io) : await prompt(io);
  const problem = passwordProblem(password);
  if (problem !== undefined) throw new CommandError(problem);
  return hashPassword(password);
}

/** Standard input's first line. */
export async function readPipedLine(io: Pick<Io, 'stdin'>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of io.stdin) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > LONGEST_INPUT) throw new CommandError('standard input is too long for a password');
    chunks.push(bytes);
  }
  const [line = ''] = Buffer.concat(chunks).toString('utf8').split(/\r?\n/, 1);
  return line;
}

async function prompt(io: Io): Promise<string> {
  if (!io.stdin.isTTY) {
    throw new CommandError(
      'there is no terminal to ask for the password; pipe it in with --password-stdin',
    );
  }
  const first = await ask(io, 'Password: ');
  if (first !== (await ask(io, 'Again: '))) throw new CommandError('the two differ; try again');
  return first;
}

/** A line from the terminal that is not shown while it is typed. */
async function ask(io: Io, question: string): Promise<string> {
  io.stderr.write(question);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: io.stdin, output: nowhere, terminal: true });
  try {
    return await lines.question('');
  } finally {
    lines.close();
    io.stderr.write('\n');
  }
}
