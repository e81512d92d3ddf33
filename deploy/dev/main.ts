/** `npm start`: the whole chain on loopback, and a URL that opens a signed-in chat. */

import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Chain, type ChainOptions, startChain } from './chain.ts';
import { freePort } from './front.ts';
import { lockFolder } from './lock.ts';
import { chosenModels } from './settings.ts';

const FRONT_PORT = 18_780;
const GATEWAY_PORT = 18_789;
/** The origin from which `npm run chat` comes. */
const CHAT_ORIGIN = 'http://localhost:18789';

const INSTANCE = {
  id: 'oc-demo',
  name: 'Demo',
  starters: ['What can you do?', '用中文介绍一下你自己', 'Show me a table and some code'],
};

const HELP = `npm start [-- --port N] [--gateway-port N] [--front nginx|edge]

Gateway, portal, and nginx (or, where it is not installed, the development edge) on loopback.
With ONE_API_BASE_URL, ONE_API_KEY and ONE_API_MODEL a real model answers, else a demonstration.
All that it keeps, conversations too, is in OPENCLAW_STATE_DIR (~/.openclaw), below dev/.
"npm run chat" talks to it from a terminal; with another --gateway-port, name it there too.
`;

interface Flags {
  readonly port: string;
  readonly 'gateway-port': string;
  readonly front: string;
  readonly help: boolean;
}

/** @throws Error that says which flag is wrong. */
function readFlags(): Flags {
  return parseArgs({
    options: {
      port: { type: 'string', default: String(FRONT_PORT) },
      'gateway-port': { type: 'string', default: String(GATEWAY_PORT) },
      front: { type: 'string', default: 'auto' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }).values;
}

type PortFlag = 'port' | 'gateway-port';

/** @throws Error if it is none, or if another program has it. */
async function port(flags: Flags, flag: PortFlag): Promise<number> {
  const number = Number(flags[flag]);
  if (!/^\d{1,5}$/.test(flags[flag]) || number > 65_535) {
    throw new Error(`--${flag} must be a number from 0 to 65535`);
  }
  if (number === 0) return 0;
  return freePort(number).catch((error: unknown) => {
    const why = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
    throw new Error(
      `Port ${number} cannot be used${why}. Name another: npm start -- --${flag} N (0 takes any free one)`,
    );
  });
}

function front({ front: kind }: Flags): 'nginx' | 'edge' | 'auto' {
  if (kind === 'nginx' || kind === 'edge' || kind === 'auto') return kind;
  throw new Error('--front must be nginx or edge');
}

const FRONTS = {
  nginx: 'nginx',
  edge: 'the development edge (nginx is not installed)',
  chosenEdge: 'the development edge',
} as const;

async function run(flags: Flags): Promise<number> {
  // Below the state directory and not in it: a gateway may be served from there already, and must not be mixed with this one.
  const stateDir = resolve(process.env['OPENCLAW_STATE_DIR'] || join(homedir(), '.openclaw'));
  const folder = join(stateDir, 'dev');
  const lock = lockFolder(folder);
  let interrupted = false;
  const stopped = new Promise<undefined>((done) => {
    const interrupt = () => {
      interrupted = true;
      done(undefined);
    };
    process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
    // A terminal that is closed says so more than once, and the second time is no insisting.
    process.on('SIGHUP', interrupt);
  });
  try {
    const chain = await startChain(await chainOptions(flags, folder));
    lock.note(chain.pids);
    try {
      if (interrupted) return 0;
      const named = chain.front.kind === 'edge' && flags.front === 'edge';
      await welcome(chain, folder, FRONTS[named ? 'chosenEdge' : chain.front.kind]);
      const reason = await Promise.race([chain.broken, stopped]);
      if (reason === undefined) return 0;
      process.stderr.write(`${reason}\nIts log is in ${folder}\n`);
      return 1;
    } finally {
      await chain.stop();
    }
  } catch (error) {
    // Ctrl-C reaches the parts too, so they ended because they were asked to.
    if (interrupted) return 0;
    throw error;
  } finally {
    lock.release();
  }
}

async function chainOptions(flags: Flags, folder: string): Promise<ChainOptions> {
  const root = resolve(import.meta.dirname, '..', '..');
  const { ONE_API_BASE_URL, ONE_API_KEY } = process.env;
  const [frontPort, gatewayPort] = [await port(flags, 'port'), await port(flags, 'gateway-port')];
  if (frontPort !== 0 && frontPort === gatewayPort) {
    throw new Error('--port and --gateway-port must differ');
  }
  return {
    folder,
    frontPort,
    gatewayPort,
    front: front(flags),
    scripts: {
      gateway: join(root, 'dist', 'gateway', 'main.js'),
      portal: join(root, 'dist', 'portal', 'main.js'),
    },
    pageDir: join(root, 'dist', 'portal', 'page'),
    models: chosenModels(process.env),
    alsoAllowed: [CHAT_ORIGIN],
    env: { ONE_API_BASE_URL, ONE_API_KEY },
    instance: INSTANCE,
    userId: 'demo',
  };
}

async function welcome(chain: Chain, folder: string, before: string): Promise<void> {
  const page = `http://127.0.0.1:${chain.frontPort}/portal/chat/?instance_id=${INSTANCE.id}`;
  const { ONE_API_BASE_URL, ONE_API_KEY } = process.env;
  const real = ONE_API_BASE_URL && ONE_API_KEY;
  process.stdout.write(`
OC Gateway behind ${before}.${real ? '' : ' The demonstration answers: no model is connected.'}
Open this once, within a quarter of an hour; it signs you in:

    ${page}#ticket=${await chain.ticket()}

Later: ${page}
In a terminal: npm run chat${chain.gatewayPort === GATEWAY_PORT ? '' : ` -- --gateway-port ${chain.gatewayPort}`}
Logs and settings: ${folder}
Ctrl-C stops everything.
`);
}

try {
  const flags = readFlags();
  if (flags.help) process.stdout.write(HELP);
  else process.exitCode = await run(flags);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
