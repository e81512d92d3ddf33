/** The command line: which command, which flags; each command's code is loaded when it is asked for. */

import { parseArgs } from 'node:util';
import manifest from '../../package.json' with { type: 'json' };
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

/** Exit codes: 0 done, 1 it failed, 2 the command line is wrong. */
export async function runCli(args: readonly string[], io: Io): Promise<number> {
  const parsed = parse(args);
  if ('problem' in parsed) {
    io.stderr.write(`oc-gateway: ${parsed.problem}\nTry: oc-gateway --help\n`);
    return 2;
  }
  const { flags, words } = parsed;
  if (flags.help) {
    io.stdout.write(HELP);
    return 0;
  }
  if (flags.version) {
    io.stdout.write(`${manifest.version}\n`);
    return 0;
  }
  const [command = 'serve', ...rest] = words;
  const inFamily = FAMILIES.has(command);
  const name = inFamily ? `${command} ${rest[0] ?? ''}` : command;
  const operands = inFamily ? rest.slice(1) : rest;
  const handler = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!handler) {
    const asked = [command, ...rest].join(' ');
    io.stderr.write(`oc-gateway: unknown command "${asked}"\nTry: oc-gateway --help\n`);
    return 2;
  }
  const refused = misplaced(handler, flags, operands);
  if (refused) {
    io.stderr.write(`oc-gateway: ${refused}\nTry: oc-gateway --help\n`);
    return 2;
  }
  return handler.run(io, flags, operands);
}

interface Flags {
  config?: string;
  port?: string;
  'gateway-port'?: string;
  url?: string;
  user?: string;
  instance?: string;
  session?: string;
  values?: string;
  out?: string;
  map?: string;
  probe?: boolean;
  help?: boolean;
  version?: boolean;
}

interface Command {
  flags: readonly (keyof Flags)[];
  /** Most words after the command. */
  words: number;
  /** What a word that must be there is called. */
  needs?: string;
  run(io: Io, flags: Flags, words: readonly string[]): Promise<number>;
}

/** Commands of two words. */
const FAMILIES: ReadonlySet<string> = new Set(['config', 'db', 'nginx', 'users']);

const COMMANDS: Readonly<Record<string, Command | undefined>> = {
  serve: {
    flags: ['config', 'port'],
    words: 0,
    run: async (io, flags) => (await import('./serve.ts')).serve(io, flags, manifest.version),
  },
  // Not for people: what `serve` starts, if it is to be several processes.
  worker: {
    flags: [],
    words: 0,
    run: async (io) => (await import('../workers/worker.ts')).worker(io, manifest.version),
  },
  chat: {
    flags: ['config', 'port', 'gateway-port', 'url', 'user', 'instance', 'session'],
    words: Number.POSITIVE_INFINITY,
    run: async (io, flags, words) =>
      (await import('./chat.ts')).chat(io, underOneName(flags), words.join(' ')),
  },
  models: {
    flags: ['config', 'probe'],
    words: 0,
    run: async (io, flags) => (await import('./models.ts')).models(io, flags),
  },
  'config check': {
    flags: ['config'],
    words: 0,
    run: async (io, flags) =>
      (await import('./config.ts')).configCheck(
        io,
        flags.config === undefined ? {} : { configPath: flags.config },
      ),
  },
  'config schema': {
    flags: [],
    words: 0,
    run: async (io) => (await import('./config.ts')).configSchema(io),
  },
  'db check': {
    flags: ['config'],
    words: 0,
    run: async (io, flags) => (await import('./db.ts')).dbCheck(io, flags),
  },
  'db backup': {
    flags: ['config'],
    words: 1,
    needs: 'FILE',
    run: async (io, flags, [to = '']) => (await import('./db.ts')).dbBackup(io, flags, to),
  },
  'db restore': {
    flags: ['config'],
    words: 1,
    needs: 'FILE',
    run: async (io, flags, [from = '']) => (await import('./db.ts')).dbRestore(io, flags, from),
  },
  'users export': {
    flags: ['config'],
    words: 1,
    needs: 'USER',
    run: async (io, flags, [user = '']) =>
      (await import('./users.ts')).usersExport(io, flags, user),
  },
  'users delete': {
    flags: ['config'],
    words: 1,
    needs: 'USER',
    run: async (io, flags, [user = '']) =>
      (await import('./users.ts')).usersDelete(io, flags, user),
  },
  'db vacuum': {
    flags: ['config'],
    words: 0,
    run: async (io, flags) => (await import('./db.ts')).dbVacuum(io, flags),
  },
  'nginx render': {
    flags: ['values', 'out'],
    words: 0,
    run: async (io, flags) => (await import('./nginx.ts')).nginxRender(io, flags),
  },
  'nginx check': {
    flags: ['map', 'values'],
    words: 0,
    run: async (io, flags) => (await import('./nginx.ts')).nginxCheck(io, flags),
  },
};

function parse(
  args: readonly string[],
): { flags: Flags; words: readonly string[] } | { problem: string } {
  try {
    const { values, positionals } = parseArgs({
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
    return { flags: values, words: positionals };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

/** `npm start` has a port for the page and one for the gateway, and who has learnt the second's name uses it here. */
function underOneName({ 'gateway-port': gatewayPort, ...flags }: Flags): Flags {
  return gatewayPort === undefined ? flags : { ...flags, port: gatewayPort };
}

function misplaced(command: Command, flags: Flags, words: readonly string[]): string | undefined {
  if (words.length > command.words) return `unexpected argument "${words[command.words]}"`;
  if (command.needs !== undefined && words.length === 0) return `${command.needs} is missing`;
  const given = Object.keys(flags).find((flag) => !command.flags.some((known) => known === flag));
  return given === undefined ? undefined : `--${given} has no meaning for this command`;
}
