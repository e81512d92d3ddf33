/** The command line: which command, which flags; each command's code is loaded when it is asked for. */

import { parseArgs } from 'node:util';
import { type Command, type Program, runProgram } from '../../deploy/command-line/command-line.ts';
import manifest from '../../package.json' with { type: 'json' };
import type { Io } from './io.ts';

const HELP = `oc-portal ${manifest.version} — who may talk to which agent instance

Usage:
  oc-portal serve [--config FILE] [--port N]      serve (also without a command)
  oc-portal config check                          print every problem of portal.json

  oc-portal users add ID [--name NAME] [--password-stdin | --no-password]
  oc-portal users list [--json]
  oc-portal users disable|enable|remove ID        disabling and removing end logins and sockets
  oc-portal users password ID [--password-stdin]  a new password; ends logins and sockets
  oc-portal users ticket ID                       prints a sign-in ticket that works once

  oc-portal instances add ID --backend IP:PORT [--name NAME] [--model MODEL] [--starter TEXT]…
  oc-portal instances set ID [--backend IP:PORT] [--name NAME] [--model MODEL] [--starter TEXT]…
  oc-portal instances list [--json]
  oc-portal instances disable|enable|remove ID    disabling and removing end sockets

  oc-portal grants add|remove USER INSTANCE       removing ends sockets
  oc-portal grants list [--json]

  oc-portal db backup FILE                        copy the database, also while it is served
  oc-portal nginx-map                             print oc-ws-map.conf of the enabled instances
  oc-portal contract-test --base-url URL --internal-url URL --secret-file FILE
                  (--token-file FILE | --username NAME) --instance ID
                  [--forbidden-instance ID] [--reuse-seconds N]
                                                  check any portal against docs/portal-contract.md
  oc-portal --version | --help

The configuration is --config, else OC_PORTAL_CONFIG, else ./portal.json. Every command but
contract-test takes --config; those that only use the database need no secrets. A password is asked
for at the terminal, or read from standard input with --password-stdin; contract-test reads that of
--username from standard input. --model "" and --starter "" clear what is set.
`;

interface Flags {
  config?: string;
  port?: string;
  name?: string;
  'password-stdin'?: boolean;
  'no-password'?: boolean;
  json?: boolean;
  backend?: string;
  model?: string;
  starter?: string[];
  'base-url'?: string;
  'internal-url'?: string;
  'secret-file'?: string;
  'token-file'?: string;
  username?: string;
  instance?: string;
  'forbidden-instance'?: string;
  'reuse-seconds'?: string;
}

const ABOUT_INSTANCE = ['config', 'backend', 'name', 'model', 'starter'] as const;

const COMMANDS: Readonly<Record<string, Command<Io, Flags>>> = {
  serve: {
    flags: ['config', 'port'],
    words: [],
    run: async (io, flags) => (await import('./serve.ts')).serve(io, flags),
  },
  'config check': {
    flags: ['config'],
    words: [],
    run: async (io, flags) => (await import('./config.ts')).checkConfig(io, flags),
  },
  'users add': {
    flags: ['config', 'name', 'password-stdin', 'no-password'],
    words: ['ID'],
    run: async (io, flags, [id = '']) => (await import('./users.ts')).addUser(io, flags, id),
  },
  'users list': {
    flags: ['config', 'json'],
    words: [],
    run: async (io, flags) => (await import('./users.ts')).listUsers(io, flags),
  },
  'users password': {
    flags: ['config', 'password-stdin'],
    words: ['ID'],
    run: async (io, flags, [id = '']) => (await import('./users.ts')).newPassword(io, flags, id),
  },
  'users ticket': {
    flags: ['config'],
    words: ['ID'],
    run: async (io, flags, [id = '']) => (await import('./users.ts')).ticket(io, flags, id),
  },
  ...Object.fromEntries(
    (['disable', 'enable', 'remove'] as const).flatMap((verb) => [
      [
        `users ${verb}`,
        {
          flags: ['config'],
          words: ['ID'],
          run: async (io, flags, [id = '']) =>
            (await import('./users.ts')).changeUser(io, flags, id, verb),
        } satisfies Command<Io, Flags>,
      ],
      [
        `instances ${verb}`,
        {
          flags: ['config'],
          words: ['ID'],
          run: async (io, flags, [id = '']) =>
            (await import('./instances.ts')).changeInstance(io, flags, id, verb),
        } satisfies Command<Io, Flags>,
      ],
    ]),
  ),
  'instances add': {
    flags: ABOUT_INSTANCE,
    words: ['ID'],
    run: async (io, flags, [id = '']) =>
      (await import('./instances.ts')).addInstance(io, flags, id),
  },
  'instances set': {
    flags: ABOUT_INSTANCE,
    words: ['ID'],
    run: async (io, flags, [id = '']) =>
      (await import('./instances.ts')).setInstance(io, flags, id),
  },
  'instances list': {
    flags: ['config', 'json'],
    words: [],
    run: async (io, flags) => (await import('./instances.ts')).listInstances(io, flags),
  },
  'grants add': {
    flags: ['config'],
    words: ['USER', 'INSTANCE'],
    run: async (io, flags, [userId = '', instanceId = '']) =>
      (await import('./grants.ts')).addGrant(io, flags, { userId, instanceId }),
  },
  'grants remove': {
    flags: ['config'],
    words: ['USER', 'INSTANCE'],
    run: async (io, flags, [userId = '', instanceId = '']) =>
      (await import('./grants.ts')).removeGrant(io, flags, { userId, instanceId }),
  },
  'grants list': {
    flags: ['config', 'json'],
    words: [],
    run: async (io, flags) => (await import('./grants.ts')).listGrants(io, flags),
  },
  'db backup': {
    flags: ['config'],
    words: ['FILE'],
    run: async (io, flags, [to = '']) => (await import('./db.ts')).backupDatabase(io, flags, to),
  },
  'nginx-map': {
    flags: ['config'],
    words: [],
    run: async (io, flags) => (await import('./instances.ts')).nginxMap(io, flags),
  },
  'contract-test': {
    flags: [
      'base-url',
      'internal-url',
      'secret-file',
      'token-file',
      'username',
      'instance',
      'forbidden-instance',
      'reuse-seconds',
    ],
    words: [],
    run: async (io, flags) => (await import('./contract-test.ts')).contractTest(io, flags),
  },
};

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      config: { type: 'string' },
      port: { type: 'string' },
      name: { type: 'string' },
      'password-stdin': { type: 'boolean' },
      'no-password': { type: 'boolean' },
      json: { type: 'boolean' },
      backend: { type: 'string' },
      model: { type: 'string' },
      starter: { type: 'string', multiple: true },
      'base-url': { type: 'string' },
      'internal-url': { type: 'string' },
      'secret-file': { type: 'string' },
      'token-file': { type: 'string' },
      username: { type: 'string' },
      instance: { type: 'string' },
      'forbidden-instance': { type: 'string' },
      'reuse-seconds': { type: 'string' },
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean', short: 'v' },
    },
  });
}

const PROGRAM: Program<Io, Flags> = {
  name: 'oc-portal',
  version: manifest.version,
  help: HELP,
  commands: COMMANDS,
  usual: 'serve',
  mayBeEmpty: ['model', 'starter'],
  parse,
};

/** Exit codes: 0 done, 1 it failed, 2 the command line is wrong. */
export function runCli(args: readonly string[], io: Io): Promise<number> {
  return runProgram(PROGRAM, args, io);
}
