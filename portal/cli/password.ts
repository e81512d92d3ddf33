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
  // One interface for both questions: while it lives, the terminal shows nothing of what is typed.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: io.stdin, output: nowhere, terminal: true });
  const cancelled = new Promise<never>((_resolve, reject) => {
    lines.once('close', () => reject(new CommandError('cancelled; nothing was changed')));
  });
  // Closing is also how it ends well, when nobody waits for this any more.
  cancelled.catch(() => {});
  const ask = async (question: string) => {
    io.stderr.write(question);
    const answer = await Promise.race([lines.question(''), cancelled]);
    io.stderr.write('\n');
    return answer;
  };
  try {
    const first = await ask('Password: ');
    if (first !== (await ask('Again: '))) throw new CommandError('the two differ; try again');
    return first;
  } finally {
    lines.close();
  }
}
