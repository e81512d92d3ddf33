/** The command line: which command, which flags; each command's code is loaded when it is asked for. */

import { parseArgs } from 'node:util';
import { type Command, type Program, runProgram } from '../../deploy/command-line/command-line.ts';
import manifest from '../../package.json' with { type: 'json' };
import type { ChatFlags } from './chat-advice.ts';
import type { Io } from './io.ts';

const HELP = `oc-gateway ${manifest.version} — many users' agents behind one trusted proxy

Usage:
  oc-gateway serve [--config FILE] [--port N]    serve (also without a command)
  oc-gateway chat [MESSAGE] [--config FILE] [--port N] [--url URL] [--user ID]
                  [--instance ID] [--session KEY]
                                                 talk to a running gateway as the proxy would
  oc-gateway models [--config FILE] [--probe]    list the configured models; --probe calls each
  oc-gateway config check [--config FILE]        print every problem of the configuration
  oc-gateway config schema                       print the JSON Schema of openclaw.json
  oc-gateway db check [--config FILE]            read the whole store and say whether it is intact
  oc-gateway db backup FILE [--config FILE]      copy the store, also while it is served
  oc-gateway db restore FILE [--config FILE]     put a backup in the store's place
  oc-gateway db vacuum [--config FILE]           give the room of deleted rows back
  oc-gateway nginx render --values FILE [--out DIR]
                                                 write nginx's configuration, or print it
  oc-gateway nginx check --map FILE [--values FILE]
                                                 check oc-ws-map.conf, and all of it with nginx -t
  oc-gateway users export USER [--config FILE]   print all that is stored of a user, one JSON object a line
  oc-gateway users delete USER [--config FILE]   remove all that is stored of a user, also while it is served
  oc-gateway --version | --help

The configuration is --config, else OPENCLAW_CONFIG_PATH, else openclaw.json in OPENCLAW_STATE_DIR
(~/.openclaw). Without one, a demonstration is served on loopback.
The port is --port, else OPENCLAW_GATEWAY_PORT, else gateway.port, else 18789; 0 picks a free one.
chat takes it as --gateway-port too, as npm start does.
`;

interface Flags extends ChatFlags {
  values?: string;
  out?: string;
  map?: string;
  probe?: boolean;
}

const COMMANDS: Readonly<Record<string, Command<Io, Flags>>> = {
  serve: {
    flags: ['config', 'port'],
    words: [],
    run: async (io, flags) => (await import('./serve.ts')).serve(io, flags, manifest.version),
  },
  // Not for people: what `serve` starts, if it is to be several processes.
  worker: {
    flags: [],
    words: [],
    internal: true,
    run: async (io) => (await import('../workers/worker.ts')).worker(io, manifest.version),
  },
  chat: {
    flags: ['config', 'port', 'gateway-port', 'url', 'user', 'instance', 'session'],
    words: [],
    more: true,
    run: async (io, flags, words) => (await import('./chat.ts')).chat(io, flags, words.join(' ')),
  },
  models: {
    flags: ['config', 'probe'],
    words: [],
    run: async (io, flags) => (await import('./models.ts')).models(io, flags),
  },
  'config check': {
    flags: ['config'],
    words: [],
    run: async (io, flags) =>
      (await import('./config.ts')).configCheck(
        io,
        flags.config === undefined ? {} : { configPath: flags.config },
      ),
  },
  'config schema': {
    flags: [],
    words: [],
    run: async (io) => (await import('./config.ts')).configSchema(io),
  },
  'db check': {
    flags: ['config'],
    words: [],
    run: async (io, flags) => (await import('./db.ts')).dbCheck(io, flags),
  },
  'db backup': {
    flags: ['config'],
    words: ['FILE'],
    run: async (io, flags, [to = '']) => (await import('./db.ts')).dbBackup(io, flags, to),
  },
  'db restore': {
    flags: ['config'],
    words: ['FILE'],
    run: async (io, flags, [from = '']) => (await import('./db.ts')).dbRestore(io, flags, from),
  },
  'users export': {
    flags: ['config'],
    words: ['USER'],
    run: async (io, flags, [user = '']) =>
      (await import('./users.ts')).usersExport(io, flags, user),
  },
  'users delete': {
    flags: ['config'],
    words: ['USER'],
    run: async (io, flags, [user = '']) =>
      (await import('./users.ts')).usersDelete(io, flags, user),
  },
  'db vacuum': {
    flags: ['config'],
    words: [],
    run: async (io, flags) => (await import('./db.ts')).dbVacuum(io, flags),
  },
  'nginx render': {
    flags: ['values', 'out'],
    words: [],
    run: async (io, flags) => (await import('./nginx.ts')).nginxRender(io, flags),
  },
  'nginx check': {
    flags: ['map', 'values'],
    words: [],
    run: async (io, flags) => (await import('./nginx.ts')).nginxCheck(io, flags),
  },
};

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      config: { type: 'string' },
      port: { type: 'string' },
      'gateway-port': { type: 'string' },
      url: { type: 'string' },
      user: { type: 'string' },
      instance: { type: 'string' },
      session: { type: 'string' },
      values: { type: 'string' },
      out: { type: 'string' },
      map: { type: 'string' },
      probe: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean', short: 'v' },
    },
  });
}

const PROGRAM: Program<Io, Flags> = {
  name: 'oc-gateway',
  version: manifest.version,
  help: HELP,
  commands: COMMANDS,
  usual: 'serve',
  parse,
};

/** Exit codes: 0 done, 1 it failed, 2 the command line is wrong. */
export function runCli(args: readonly string[], io: Io): Promise<number> {
  return runProgram(PROGRAM, args, io);
}
