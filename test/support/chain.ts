/**
 * The whole chain as it runs in production, one process for each part, all from the sources: gateway, portal,
 * refusal service, and nginx (or the development edge) before them. The model is this process's to script.
 */

import { mkdtempSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Front, startFront } from '../../deploy/dev/front.ts';
import { renderMap } from '../../deploy/nginx/map.ts';
import { type Line, startLine } from './line.ts';
import { builtPage } from './page-build.ts';
import { createPart, type Part, runCommand } from './part.ts';
import { startOpenAiUpstream, type Upstream } from './upstream/openai.ts';

const ROOT = join(import.meta.dirname, '..', '..');
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

type Fields = Readonly<Record<string, unknown>>;

export interface ChainOptions {
  front?: Front['kind'];
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
  reloadNginx(): Promise<void>;
  /** Everything that every part has written. */
  logs(): Promise<string>;
  stop(): Promise<void>;
}

export async function startChain(options: ChainOptions = {}): Promise<ChainUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), 'oc-chain-'));
  const [line, upstream, pageDir] = await Promise.all([
    startLine(),
    startOpenAiUpstream(),
    builtPage(),
  ]);
  const ports = await freePorts();
  line.target = ports.front;
  const hosts = options.threeHosts
    ? { page: 'app.localhost', api: 'm.localhost', socket: 'api.localhost' }
    : { page: '127.0.0.1', api: '127.0.0.1', socket: '127.0.0.1' };
  const origin = `http://${hosts.page}:${line.port}`;
  const api = `http://${hosts.api}:${line.port}`;

  const openclaw = join(folder, 'openclaw.json');
  const configureGateway = async (gateway: Fields = {}, defaults?: Fields) =>
    writeJson(openclaw, {
      ...gatewaySettings({ origin, adminPort: ports.admin, upstream: upstream.url }),
      ...(defaults && { agents: { defaults } }),
      gateway: {
        ...gatewaySettings({ origin, adminPort: ports.admin, upstream: upstream.url }).gateway,
        ...options.gateway,
        ...gateway,
      },
    });
  await configureGateway();
  const portalFile = join(folder, 'portal.json');
  await writeJson(portalFile, {
    listen: { port: ports.portal },
    database: './portal.sqlite',
    jwtSecret: '${OC_JWT_SECRET}',
    internalSecret: '${OC_INTERNAL_SECRET}',
    publicWsBase: `ws://${hosts.socket}:${line.port}/oc-ws/`,
    apiBase: options.threeHosts ? api : '',
    allowedOrigins: [origin],
    trustedProxies: ['127.0.0.1'],
    gateways: [{ adminUrl: `http://127.0.0.1:${ports.admin}`, token: '${OC_ADMIN_TOKEN}' }],
    pageDir,
    // Every test of a file comes from one address and as one of two users.
    limits: { loginsPerAddress: 1000, loginsPerUser: 1000, sessionsPerUser: 1000 },
    ...options.portal,
  });

  const part = (name: string, ...args: string[]) =>
    createPart({ name, args, env: { ...SECRETS, HOME: folder, OPENCLAW_STATE_DIR: folder } });
  const source = (...path: string[]) => join(ROOT, ...path);
  const gateway = part(
    'gateway',
    ...[source('gateway', 'main.ts'), 'serve', '--port', String(ports.gateway)],
  );
  const portal = part(
    'portal',
    ...[source('portal', 'main.ts'), 'serve', '--config', portalFile],
  );
  const refusals = part(
    'refusals',
    ...[source('deploy', 'edge', 'main.ts'), '--listen', `127.0.0.1:${ports.refusals}`],
  );
  const operate = (args: readonly string[], input?: string) =>
    runCommand(
      [source('portal', 'main.ts'), ...args, '--config', portalFile],
      { ...SECRETS, HOME: folder },
      input,
    );
  const backend = `127.0.0.1:${ports.gateway}`;
  const map = renderMap([ONE, TWO].map((id) => ({ id, backend })));
  if (!map.ok) throw new Error(map.problems.join('\n'));
  const frontFolder = join(folder, 'front');
  const [front] = await Promise.all([
    startFront({
      kind: options.front ?? 'nginx',
      folder: frontFolder,
      port: ports.front,
      portal: `127.0.0.1:${ports.portal}`,
      refusals: `127.0.0.1:${ports.refusals}`,
      map: map.text,
      internalSecret: SECRETS.OC_INTERNAL_SECRET,
      values: {
        serverNames: { page: [hosts.page], api: [hosts.api], socket: [hosts.socket] },
        allowedOrigins: [origin],
        ...options.values,
      },
    }),
    gateway.start(),
    refusals.start(),
    portal.start().then(() => seed(operate, backend)),
  ]);

  return {
    origin,
    api,
    frontPort: ports.front,
    portalPort: ports.portal,
    line,
    upstream,
    gateway,
    portal,
    refusals,
    operator: (...args) => operate(args),
    configureGateway,
    async reloadNginx() {
      process.kill(Number(await readFile(join(frontFolder, 'nginx.pid'), 'utf8')), 'SIGHUP');
    },
    async logs() {
      const names = (await readdir(frontFolder)).filter((name) => name.endsWith('.log'));
      const texts = await Promise.all(
        names.map((name) => readFile(join(frontFolder, name), 'utf8')),
      );
      return [gateway, portal, refusals].map((each) => each.output()).concat(texts).join('\n');
    },
    async stop() {
      await line.close();
      await front.stop();
      await Promise.all([gateway.kill(), portal.kill(), refusals.kill(), upstream.close()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function gatewaySettings(at: { origin: string; adminPort: number; upstream: string }) {
  return {
    gateway: {
      bind: 'loopback',
      trustedProxies: ['127.0.0.1'],
      auth: { mode: 'trusted-proxy', trustedProxy: { allowLoopback: true } },
      controlUi: { allowedOrigins: [at.origin], dangerouslyDisableDeviceAuth: true },
      admin: { port: at.adminPort, token: '${OC_ADMIN_TOKEN}' },
      shutdown: { graceSeconds: 1 },
    },
    agents: { defaults: { model: 'mock/mock-1' } },
    models: {
      providers: {
        mock: {
          baseUrl: `${at.upstream}/v1`,
          apiKey: '${MODEL_KEY}',
          models: [{ id: 'mock-1', input: ['text', 'image'] }, { id: 'mock-2' }],
        },
      },
    },
    logging: { level: 'debug' },
  };
}

async function seed(
  operate: (args: readonly string[], input?: string) => Promise<string>,
  backend: string,
): Promise<void> {
  const starters = STARTERS.flatMap((starter) => ['--starter', starter]);
  const instance = (id: string, name: string) =>
    operate(['instances', 'add', id, '--backend', backend, '--name', name, ...starters]);
  const user = (id: string, name: string) =>
    operate(['users', 'add', id, '--name', name, '--password-stdin'], `${PASSWORDS[id]}\n`);
  await Promise.all([
    instance(ONE, 'Mika'),
    instance(TWO, 'Otto'),
    user('alice', 'Alice'),
    user('bob', 'Bob'),
  ]);
  await Promise.all([
    operate(['grants', 'add', 'alice', ONE]),
    operate(['grants', 'add', 'alice', TWO]),
    operate(['grants', 'add', 'bob', ONE]),
  ]);
}

/** Below those that the system gives to others, so that a part finds its own free when it starts again. */
async function freePorts(): Promise<
  Record<'front' | 'gateway' | 'admin' | 'portal' | 'refusals', number>
> {
  for (;;) {
    const first = 20_000 + Math.floor(Math.random() * 2_400) * 5;
    const five = [first, first + 1, first + 2, first + 3, first + 4] as const;
    if ((await Promise.all(five.map(isFree))).every(Boolean)) {
      const [front, gateway, admin, portal, refusals] = five;
      return { front, gateway, admin, portal, refusals };
    }
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const free = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return free;
}

function writeJson(path: string, value: object): Promise<void> {
  return writeFile(path, `${JSON.stringify(value, null, 2)}\n`);
}
