/** `oc-portal contract-test`: is that a portal as docs/portal-contract.md describes it? One line a rule. */

import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { postJson, type Subject } from '../contract/calls.ts';
import { checkContract } from '../contract/check.ts';
import type { Io } from './io.ts';
import { readPipedLine } from './password.ts';
import { CommandError } from './with-store.ts';

interface ContractFlags {
  readonly 'base-url'?: string;
  readonly 'internal-url'?: string;
  readonly 'secret-file'?: string;
  readonly 'token-file'?: string;
  readonly username?: string;
  readonly instance?: string;
  readonly 'forbidden-instance'?: string;
  readonly 'reuse-seconds'?: string;
}

const UNKNOWN_INSTANCE = 'oc-contract-test-forbidden';
const DEFAULT_REUSE_SECONDS = 3;

/** Exit code 0 if every rule holds, 1 if one does not, 2 if it cannot be asked. */
export async function contractTest(io: Io, flags: ContractFlags): Promise<number> {
  let subject: Subject;
  try {
    subject = await readSubject(io, flags);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    io.stderr.write(`oc-portal: ${error.message}\nTry: oc-portal --help\n`);
    return 2;
  }
  let total = 0;
  let broken = 0;
  for await (const { rule, problem } of checkContract(subject)) {
    total += 1;
    if (problem !== undefined) broken += 1;
    io.stdout.write(
      problem === undefined
        ? `ok    ${rule.name}: ${rule.says}\n`
        : `FAIL  ${rule.name}: ${rule.says} (but: ${problem})\n`,
    );
  }
  io.stdout.write(`${total - broken} of ${total} rules hold\n`);
  return broken === 0 ? 0 : 1;
}

async function readSubject(io: Io, flags: ContractFlags): Promise<Subject> {
  const baseUrl = address(flags, 'base-url');
  const internalUrl = address(flags, 'internal-url');
  const internalSecret = fileText(flags, 'secret-file');
  const instanceId = given(flags, 'instance');
  const seconds = Number(flags['reuse-seconds'] ?? DEFAULT_REUSE_SECONDS);
  if (!Number.isFinite(seconds) || seconds < 0 || seconds > 60) {
    throw new CommandError('--reuse-seconds: write a number from 0 to 60');
  }
  const { username } = flags;
  if ((username === undefined) === (flags['token-file'] === undefined)) {
    throw new CommandError(
      'name either --token-file or --username (its password on standard input)',
    );
  }
  const login =
    username === undefined ? undefined : { username, password: await readPipedLine(io) };
  const accessToken = login ? await signIn(baseUrl, login) : fileText(flags, 'token-file');
  return {
    baseUrl,
    internalUrl,
    internalSecret,
    accessToken,
    instanceId,
    forbiddenInstanceId: flags['forbidden-instance'] ?? UNKNOWN_INSTANCE,
    ...(login && { login }),
    reuseMs: seconds * 1000,
    sleep: (ms) => setTimeout(ms),
  };
}

async function signIn(
  baseUrl: string,
  login: { username: string; password: string },
): Promise<string> {
  const answer = await postJson(`${baseUrl}/api/v1/auth/login`, login).catch(() => undefined);
  if (!answer) throw new CommandError('the portal cannot be reached at --base-url');
  const token = answer.body['access_token'];
  if (answer.status !== 200 || typeof token !== 'string') {
    throw new CommandError(
      `the login failed with status ${answer.status}; is the password right? --token-file takes an access token instead`,
    );
  }
  return token;
}

type TextFlag = keyof ContractFlags;

function given(flags: ContractFlags, name: TextFlag): string {
  const value = flags[name];
  if (value === undefined || value === '') throw new CommandError(`--${name} is missing`);
  return value;
}

function address(flags: ContractFlags, name: TextFlag): string {
  const url = URL.parse(given(flags, name));
  if (!url || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new CommandError(
      `--${name}: write an http or https address, such as "https://m.example.com"`,
    );
  }
  return url.href.replace(/\/+$/, '');
}

function fileText(flags: ContractFlags, name: TextFlag): string {
  const path = given(flags, name);
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    throw new CommandError(`--${name}: the file cannot be read`);
  }
}
