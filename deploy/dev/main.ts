/** `npm start`: the whole chain on loopback, and a URL that opens a signed-in chat. */

import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startChain } from './chain.ts';
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
Its files are in OPENCLAW_STATE_DIR (~/.openclaw), below dev/.
`;

const { values: flags } = parseArgs({
  options: {
    port: { type: 'string', default: String(FRONT_PORT) },
    'gateway-port': { type: 'string', default: String(GATEWAY_PORT) },
    front: { type: 'string', default: 'auto' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

function port(flag: 'port' | 'gateway-port'): number {
  const number = Number(flags[flag]);
  if (Number.isInteger(number) && number >= 0 && number <= 65_535) return number;
  throw new Error(`--${flag} must be a number from 0 to 65535`);
}

function front(): 'nginx' | 'edge' | 'auto' {
  const { front: kind } = flags;
  if (kind === 'nginx' || kind === 'edge' || kind === 'auto') return kind;
  throw new Error('--front must be nginx or edge');
}

async function run(): Promise<number> {
  const root = resolve(import.meta.dirname, '..', '..');
  const stateDir = resolve(process.env['OPENCLAW_STATE_DIR'] || join(homedir(), '.openclaw'));
  const folder = join(stateDir, 'dev');
  const stopped = new Promise<undefined>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => done(undefined));
  });
  const { ONE_API_BASE_URL, ONE_API_KEY } = process.env;
  const chain = await startChain({
    folder,
    stateDir,
    frontPort: port('port'),
    gatewayPort: port('gateway-port'),
    front: front(),
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
  });
  const page = `http://127.0.0.1:${chain.frontPort}/portal/chat/?instance_id=${INSTANCE.id}`;
  const real = ONE_API_BASE_URL && ONE_API_KEY;
  process.stdout.write(`
OC Gateway behind ${chain.front.kind === 'nginx' ? 'nginx' : 'the development edge (nginx is not installed)'}.${real ? '' : ' The demonstration answers: no model is connected.'}
Open this once, within a quarter of an hour; it signs you in:

    ${page}#ticket=${await chain.ticket()}

Later: ${page}
Logs and settings: ${folder}
Ctrl-C stops everything.
`);
  const reason = await Promise.race([chain.broken, stopped]);
  if (reason !== undefined) process.stderr.write(`${reason}\nIts log is in ${folder}\n`);
  await chain.stop();
  return reason === undefined ? 0 : 1;
}

if (flags.help) process.stdout.write(HELP);
else {
  try {
    process.exitCode = await run();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
