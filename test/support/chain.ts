/**
 * The whole chain as it runs in production, one process for each part, all from the sources: gateway, portal,
 * refusal service, and nginx (or the development edge) before them. The model is this process's to script.
 */

import { mkdtempSync, readFileSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Front, startFront } from '../../deploy/dev/front.ts';
import { renderMap } from '../../deploy/nginx/map.ts';
import { hashPassword } from '../../portal/auth/passwords.ts';
import { openStore } from '../../portal/store/store.ts';
import { type Line, startLine } from './line.ts';
import { builtPage } from './page-build.ts';
import { createPart, type Part, runCommand } from './part.ts';
import { freePorts } from './ports.ts';
import { GATEWAY, PORTAL, REFUSALS } from './programs.ts';
import { startOpenAiUpstream, type Upstream } from './upstream/openai.ts';

const SECRETS = {
  OC_JWT_SECRET: 'jwt-secret-of-the-chain-under-test-0001',
  OC_INTERNAL_SECRET: 'internal-secret-of-the-chain-under-test',
  OC_ADMIN_TOKEN: 'admin-token-of-the-chain-under-test-001',
  MODEL_KEY: 'sk-key-of-the-model-under-test-0001',
};

/** Both users may use ONE; only alice may use TWO. */
export const ONE = 'oc-one';
export const TWO = 'oc-two';
export const PASSWORDS: Readonly<Record<string, string>> = {
  alice: 'a long password of alice',
  bob: 'a long password of bob',
};
export const STARTERS = ['Plan a week in Kyoto', 'Explain WebSockets', 'Write a haiku'];

/** The name of all workers in nginx. */
const POOL = 'oc_pool';

type Fields = Readonly<Record<string, unknown>>;

export interface ChainOptions {
  front?: Front['kind'];
  /** Processes of the gateway, behind one name of the map; 1 if absent. */
  workers?: number;
  /** Merged over openclaw.json's section `gateway`, one level deep. */
  gateway?: Fields;
  /** Merged over portal.json. */
  portal?: Fields;
  /** Merged over nginx's values file. */
  values?: Fields;
  /** Page, API and socket each under a name of their own below `localhost`. */
  threeHosts?: boolean;
}

export interface ChainUnderTest {
  /** Where the page is: an origin. */
  readonly origin: string;
  /** Where the API is: an origin, often the same. */
  readonly api: string;
  /** The front itself, without the line before it. */
  readonly frontPort: number;
  readonly portalPort: number;
  readonly line: Line;
  readonly upstream: Upstream;
  readonly gateway: Part;
  readonly portal: Part;
  readonly refusals: Part;
  /** `oc-portal`, with what it printed. */
  operator(...args: string[]): Promise<string>;
  /** Writes openclaw.json with these changes to its section `gateway` and to `agents.defaults`. */
  configureGateway(gateway: Fields, defaults?: Fields): Promise<void>;
  /** SIGHUP, as `nginx -s reload`. */
  reloadNginx(): void;
  /** Of nginx's master. */
  nginxPid(): number;
  /** Why handshakes were refused so far, as nginx's access log has it. */
  denials(): Promise<string[]>;
  /** Everything that every part has written. */
  logs(): Promise<string>;
  stop(): Promise<void>;
}

/** Where everything is. */
interface Plan {
  readonly folder: string;
  readonly frontFolder: string;
  readonly portalFile: string;
  /** `gateway` is the first worker's; the others' follow. */
  readonly ports: Record<'front' | 'gateway' | 'admin' | 'portal' | 'refusals', number>;
  readonly workers: number;
  /** Where the map leads: to the one process, or to the pool of all. */
  readonly backend: string;
  /** What the browser connects to: the line before the front. */
  readonly publicPort: number;
  readonly hosts: Record<'page' | 'api' | 'socket', string>;
  readonly origin: string;
  readonly api: string;
}

/** Rejects, with nothing left running, if a part does not come up. */
export async function startChain(options: ChainOptions = {}): Promise<ChainUnderTest> {
  const [line, upstream, pageDir, ports] = await Promise.all([
    startLine(),
    startOpenAiUpstream(),
    builtPage(),
    choosePorts(options.workers ?? 1),
  ]);
  line.target = ports.front;
  const plan = makePlan(options, ports, line.port);
  const { folder, frontFolder } = plan;
  const configureGateway = (gateway: Fields = {}, defaults?: Fields) =>
    writeGatewaySettings(
      plan,
      upstream.url,
      { workers: plan.workers, ...options.gateway, ...gateway },
      defaults,
    );
  await configureGateway();
  await writePortalSettings(plan, pageDir, options.portal);
  const { gateway, portal, refusals } = createParts(plan);
  let front: Front | undefined;
  const stop = async () => {
    await line.close();
    const parts = [gateway, portal, refusals].map((each) => each.kill());
    await Promise.all([front?.stop(), ...parts, upstream.close()]);
    await rm(folder, { recursive: true, force: true });
  };
  const started = await Promise.allSettled([
    startPlannedFront(plan, options).then((each) => {
      front = each;
    }),
    startGateway(gateway),
    refusals.start(),
    seed(plan).then(() => portal.start()),
  ]);
  const failure = started.find((each) => each.status === 'rejected');
  if (failure) {
    await stop();
    throw failure.reason;
  }

  const nginxPid = () => Number(readFileSync(join(frontFolder, 'nginx.pid'), 'utf8'));
  return {
    origin: plan.origin,
    api: plan.api,
    frontPort: ports.front,
    portalPort: ports.portal,
    line,
    upstream,
    gateway,
    portal,
    refusals,
    operator: (...args) =>
      runCommand([PORTAL, ...args, '--config', plan.portalFile], environment(plan)),
    configureGateway,
    reloadNginx: () => void process.kill(nginxPid(), 'SIGHUP'),
    nginxPid,
    async denials() {
      const log = await readFile(join(frontFolder, 'oc-gateway.log'), 'utf8');
      return [...log.matchAll(/"deny":"([a-z_]+)"/g)].map(([, word = '']) => word);
    },
    async logs() {
      const names = (await readdir(frontFolder)).filter((name) => name.endsWith('.log'));
      const texts = await Promise.all(
        names.map((name) => readFile(join(frontFolder, name), 'utf8')),
      );
      return [gateway, portal, refusals]
        .map((each) => each.output())
        .concat(texts)
        .join('\n');
    },
    stop,
  };
}

/** The lines of its workers come before its own. */
async function startGateway(gateway: Part): Promise<void> {
  await gateway.start();
  const ended = gateway.gone().then(() => {
    throw new Error(`gateway did not start:\n${gateway.output()}`);
  });
  await Promise.race([gateway.logged('listening', { pid: gateway.pid() }), ended]);
}

function makePlan(options: ChainOptions, ports: Plan['ports'], publicPort: number): Plan {
  const { workers = 1 } = options;
  const folder = mkdtempSync(join(tmpdir(), 'oc-chain-'));
  const hosts = options.threeHosts
    ? { page: 'app.localhost', api: 'm.localhost', socket: 'api.localhost' }
    : { page: '127.0.0.1', api: '127.0.0.1', socket: '127.0.0.1' };
  return {
    folder,
    frontFolder: join(folder, 'front'),
    portalFile: join(folder, 'portal.json'),
    ports,
    workers,
    backend: workers === 1 ? `127.0.0.1:${ports.gateway}` : POOL,
    publicPort,
    hosts,
    origin: `http://${hosts.page}:${publicPort}`,
    api: `http://${hosts.api}:${publicPort}`,
  };
}

function environment({ folder }: Plan): Record<string, string> {
  return { ...SECRETS, HOME: folder, OPENCLAW_STATE_DIR: folder };
}

function createParts(plan: Plan) {
  const { ports, portalFile } = plan;
  const part = (name: string, ...args: string[]) =>
    createPart({ name, args, env: environment(plan) });
  return {
    gateway: part('gateway', GATEWAY, 'serve', '--port', String(ports.gateway)),
    portal: part('portal', PORTAL, 'serve', '--config', portalFile),
    refusals: part('refusals', REFUSALS, '--listen', `127.0.0.1:${ports.refusals}`),
  };
}

function startPlannedFront(plan: Plan, options: ChainOptions): Promise<Front> {
  const { hosts, ports, backend, workers } = plan;
  const pool = Array.from({ length: workers }, (_, n) => `127.0.0.1:${ports.gateway + n}`);
  const map = renderMap([ONE, TWO].map((id) => ({ id, backend })));
  if (!map.ok) throw new Error(map.problems.join('\n'));
  return startFront({
    kind: options.front ?? 'nginx',
    folder: plan.frontFolder,
    port: ports.front,
    portal: `127.0.0.1:${ports.portal}`,
    refusals: `127.0.0.1:${ports.refusals}`,
    map: map.text,
    internalSecret: SECRETS.OC_INTERNAL_SECRET,
    values: {
      serverNames: { page: [hosts.page], api: [hosts.api], socket: [hosts.socket] },
      allowedOrigins: [plan.origin],
      ...(backend === POOL && { upstreams: { [POOL]: pool } }),
      ...options.values,
    },
  });
}

function writeGatewaySettings(
  plan: Plan,
  upstream: string,
  gateway: Fields,
  defaults: Fields = { model: 'mock/mock-1' },
): Promise<void> {
  return writeJson(join(plan.folder, 'openclaw.json'), {
    gateway: {
      bind: 'loopback',
      trustedProxies: ['127.0.0.1'],
      auth: { mode: 'trusted-proxy', trustedProxy: { allowLoopback: true } },
      controlUi: { allowedOrigins: [plan.origin], dangerouslyDisableDeviceAuth: true },
      admin: { port: plan.ports.admin, token: '${OC_ADMIN_TOKEN}' },
      shutdown: { graceSeconds: 1 },
      ...gateway,
    },
    agents: { defaults },
    models: {
      providers: {
        mock: {
          baseUrl: `${upstream}/v1`,
          apiKey: '${MODEL_KEY}',
          models: [
            { id: 'mock-1', name: 'Large', input: ['text', 'image'] },
            { id: 'mock-2', name: 'Small' },
          ],
        },
      },
    },
    logging: { level: 'debug' },
  });
}

function writePortalSettings(plan: Plan, pageDir: string, changes: Fields = {}): Promise<void> {
  const { hosts, origin, api, ports, publicPort } = plan;
  return writeJson(plan.portalFile, {
    listen: { port: ports.portal },
    database: './portal.sqlite',
    jwtSecret: '${OC_JWT_SECRET}',
    internalSecret: '${OC_INTERNAL_SECRET}',
    publicWsBase: `ws://${hosts.socket}:${publicPort}/oc-ws/`,
    apiBase: api === origin ? '' : api,
    allowedOrigins: [origin],
    trustedProxies: ['127.0.0.1'],
    gateways: [{ adminUrl: `http://127.0.0.1:${ports.admin}`, token: '${OC_ADMIN_TOKEN}' }],
    pageDir,
    // Every test of a file comes from one address and as one of two users.
    limits: { loginsPerAddress: 1000, loginsPerUser: 1000, sessionsPerUser: 1000 },
    ...changes,
  });
}

/** In this process: seven commands, each a process of its own, would take longer than all the rest. */
async function seed({ folder, backend }: Plan): Promise<void> {
  const now = Date.now();
  const store = openStore(join(folder, 'portal.sqlite'));
  for (const [id, name] of [
    [ONE, 'Mika'],
    [TWO, 'Otto'],
  ] as const) {
    store.instances.put({ id, name, backend, starters: STARTERS, enabled: true }, now);
  }
  for (const [id, password] of Object.entries(PASSWORDS)) {
    const name = id.replace(/^./, (first) => first.toUpperCase());
    store.users.add({ id, name, passwordHash: await hashPassword(password), now });
    store.instances.grant({ userId: id, instanceId: ONE }, now);
  }
  store.instances.grant({ userId: 'alice', instanceId: TWO }, now);
  store.close();
}

async function choosePorts(workers: number): Promise<Plan['ports']> {
  const first = await freePorts(4 + workers);
  return {
    front: first,
    admin: first + 1,
    portal: first + 2,
    refusals: first + 3,
    gateway: first + 4,
  };
}

function writeJson(path: string, value: object): Promise<void> {
  return writeFile(path, `${JSON.stringify(value, null, 2)}\n`);
}
