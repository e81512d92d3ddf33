/** The whole chain on one machine: gateway, portal, refusal service and front, started in this order. */

import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startRefusals } from '../edge/refusals.ts';
import { makeFolder } from '../files/folder.ts';
import { renderMap } from '../nginx/map.ts';
import { type Front, freePort, startFront } from './front.ts';
import { type ChainProcess, type LogLine, startProcess } from './process.ts';
import { chainSecrets, gatewaySettings, portalSettings, secretsEnv } from './settings.ts';

/** The instance that the demonstration has. */
export interface DemoInstance {
  readonly id: string;
  readonly name: string;
  readonly starters: readonly string[];
}

export interface ChainOptions {
  /** Settings, logs and both databases: it is the gateway's OPENCLAW_STATE_DIR too. */
  folder: string;
  /** 0 picks a free one. */
  frontPort: number;
  gatewayPort: number;
  front: Front['kind'] | 'auto';
  /** What to run: scripts for the Node that runs this. */
  scripts: { readonly gateway: string; readonly portal: string };
  pageDir: string;
  /** `agents` and `models` of openclaw.json. */
  models: object;
  alsoAllowed: readonly string[];
  /** Environment that the models need. */
  env: Readonly<Record<string, string | undefined>>;
  instance: DemoInstance;
  userId: string;
}

export interface Chain {
  readonly front: Front;
  readonly frontPort: number;
  readonly gatewayPort: number;
  /** The processes that it consists of, by name. */
  readonly pids: Readonly<Record<string, number>>;
  /** A ticket that signs the demonstration's user in, once. */
  ticket(): Promise<string>;
  /** Resolves with a sentence if one of the parts ends by itself. */
  readonly broken: Promise<string>;
  stop(): Promise<void>;
}

/** Rejects, with nothing left running, if a part does not come up. */
export async function startChain(options: ChainOptions): Promise<Chain> {
  const stops: (() => Promise<unknown>)[] = [];
  // The front first, so that nobody meets a part that is gone.
  const stop = async () => {
    for (const each of stops.toReversed()) await each();
  };
  try {
    return await startParts(options, stops, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startParts(
  options: ChainOptions,
  stops: (() => Promise<unknown>)[],
  stop: () => Promise<void>,
): Promise<Chain> {
  const { folder, instance, userId } = options;
  makeFolder(folder, 0o700);
  const frontPort = options.frontPort === 0 ? await freePort() : options.frontPort;
  // Not 0: commands find the listener by what stands in openclaw.json.
  const adminPort = await freePort(0, [frontPort, options.gatewayPort]);
  const secrets = chainSecrets(folder);
  const env = { ...options.env, ...secretsEnv(secrets) };

  const gateway = startGateway(options, { frontPort, adminPort, secrets }, env);
  stops.push(() => gateway.stop());
  const gatewayPort = portOf(await gateway.logged('listening'));

  const settings = join(folder, 'portal.json');
  const adminUrl = `http://127.0.0.1:${adminPort}`;
  const database = join(folder, 'portal.sqlite');
  const { pageDir } = options;
  writeJson(settings, portalSettings({ frontPort, database, adminUrl, pageDir }));
  const portalCommand = (name: string, args: readonly string[]) =>
    startProcess({
      name,
      command: process.execPath,
      args: [options.scripts.portal, ...args, '--config', settings],
      env,
      // A command prints a ticket, which is nobody else's.
      ...(name === 'portal' && { logFile: join(folder, 'portal.log') }),
    });
  const command: Command = (args) => portalCommand('portal-commands', args).output();
  await seed(command, { database, instance, userId, backend: `127.0.0.1:${gatewayPort}` });
  const portal = portalCommand('portal', ['serve']);
  stops.push(() => portal.stop());
  const portalPort = portOf(await portal.logged('listening'));

  const refusals = await startRefusals({ host: '127.0.0.1', port: 0 });
  stops.push(() => refusals.close());
  const map = renderMap([{ id: instance.id, backend: `127.0.0.1:${gatewayPort}` }]);
  if (!map.ok) throw new Error(map.problems.join('\n'));
  const front = await startFront({
    kind: options.front,
    folder: join(folder, 'front'),
    port: frontPort,
    portal: `127.0.0.1:${portalPort}`,
    refusals: `127.0.0.1:${refusals.port}`,
    map: map.text,
    internalSecret: secrets.internal,
  });
  stops.push(() => front.stop());

  const ended = (name: string, how: Promise<string>) => how.then((why) => `${name} ended: ${why}`);
  return {
    front,
    frontPort,
    gatewayPort,
    pids: {
      gateway: gateway.pid,
      portal: portal.pid,
      ...(front.pid !== undefined && { nginx: front.pid }),
    },
    ticket: async () => (await command(['users', 'ticket', userId])).trim(),
    broken: Promise.race([
      ended('the gateway', gateway.exited),
      ended('the portal', portal.exited),
      ended(front.kind, front.ended),
    ]),
    stop,
  };
}

function startGateway(
  options: ChainOptions,
  own: Omit<Parameters<typeof gatewaySettings>[0], 'models' | 'alsoAllowed'>,
  env: Readonly<Record<string, string | undefined>>,
): ChainProcess {
  const { folder, models, alsoAllowed } = options;
  const settings = join(folder, 'openclaw.json');
  writeJson(settings, gatewaySettings({ ...own, models, alsoAllowed }));
  return startProcess({
    name: 'gateway',
    command: process.execPath,
    args: [
      options.scripts.gateway,
      'serve',
      '--config',
      settings,
      '--port',
      String(options.gatewayPort),
    ],
    env: { ...env, OPENCLAW_STATE_DIR: folder },
    logFile: join(folder, 'gateway.log'),
  });
}

type Command = (args: readonly string[]) => Promise<string>;

/** What is there already stays as it is. */
async function seed(
  command: Command,
  {
    database,
    instance,
    userId,
    backend,
  }: { database: string; instance: DemoInstance; userId: string; backend: string },
): Promise<void> {
  const has = async (what: string, id: string) =>
    existsSync(database) &&
    (await command([what, 'list'])).split('\n').some((line) => line.split(/\s+/, 1)[0] === id);
  if (!(await has('users', userId))) {
    // A ticket signs in; `oc-portal users password` sets a password.
    await command(['users', 'add', userId, '--no-password']);
  }
  if (await has('instances', instance.id)) {
    await command(['instances', 'set', instance.id, '--backend', backend]);
  } else {
    const starters = instance.starters.flatMap((starter) => ['--starter', starter]);
    const named = ['--name', instance.name, '--backend', backend];
    await command(['instances', 'add', instance.id, ...named, ...starters]);
  }
  // It may be there already.
  await command(['grants', 'add', userId, instance.id]);
}

function writeJson(path: string, value: object): void {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
}

function portOf(line: LogLine): number {
  const { port } = line;
  if (typeof port !== 'number') throw new Error('a part of the chain does not tell its port');
  return port;
}
