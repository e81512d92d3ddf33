/** A portal of its own for a test: real HTTP on a free port, a clock that the test sets. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { hashPassword } from '../../../portal/auth/passwords.ts';
import { loadPortalConfig } from '../../../portal/config.ts';
import { startPortal } from '../../../portal/portal.ts';
import { openStore, type Store } from '../../../portal/store/store.ts';

export const INTERNAL_SECRET = 'internal-secret-of-at-least-32-characters';
export const PASSWORD = 'correct horse battery';
export const INSTANCE = 'oc-ai-jp-2-02';

/** What it costs to hash once is not paid by every test. */
const passwordHash = hashPassword(PASSWORD);

export interface TestPortal {
  readonly url: string;
  readonly configPath: string;
  readonly folder: string;
  /** The same database by another connection. */
  readonly store: Store;
  readonly clock: { now: number };
  /** All that was logged. */
  readonly log: () => string;
  stop(): Promise<void>;
}

export function portalConfig(more: object = {}): object {
  return {
    listen: { port: 0 },
    database: 'portal.db',
    jwtSecret: 'jwt-secret-of-at-least-32-characters-',
    internalSecret: INTERNAL_SECRET,
    publicWsBase: 'wss://api.example.com/oc-ws/',
    ...more,
  };
}

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'oc-portal-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** With user "alice", who may use INSTANCE, and "bob", who may use nothing. */
export async function servePortal(
  more: object = {},
  clock: TestPortal['clock'] = { now: Date.now() },
): Promise<TestPortal> {
  const folder = await temporaryFolder();
  const configPath = join(folder, 'portal.json');
  const pageDir = join(folder, 'page');
  await mkdir(join(pageDir, 'assets'), { recursive: true });
  await writeFile(join(pageDir, 'index.html'), '<!doctype html><title>Chat</title>');
  await writeFile(join(pageDir, 'assets', 'main-abc123.js'), 'export {};');
  await writeFile(configPath, JSON.stringify(portalConfig({ pageDir: 'page', ...more })));
  const loaded = loadPortalConfig({ path: configPath, env: {} });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const store = openStore(loaded.config.database);
  await seed(store);
  const lines: string[] = [];
  const portal = await startPortal({
    config: loaded.config,
    host: '127.0.0.1',
    port: 0,
    pageDir,
    now: () => clock.now,
    log: pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) }),
    stopGraceMs: 50,
    revocationTiming: { pollMs: 5, firstRetryMs: 5, longestRetryMs: 20 },
  });
  let stopped: Promise<void> | undefined;
  const stop = () => (stopped ??= portal.stop());
  onTestFinished(async () => {
    await stop();
    store.close();
  });
  return {
    url: `http://127.0.0.1:${portal.port}`,
    configPath,
    folder,
    store,
    clock,
    log: () => lines.join(''),
    stop,
  };
}

async function seed(store: Store): Promise<void> {
  const now = Date.now();
  const hash = await passwordHash;
  store.users.add({ id: 'alice', name: 'Alice', passwordHash: hash, now });
  store.users.add({ id: 'bob', name: 'Bob', passwordHash: hash, now });
  store.instances.put(
    {
      id: INSTANCE,
      name: 'Tokyo 2',
      backend: '34.85.76.114:18810',
      model: 'some-model',
      starters: ['你好', 'Hello?'],
      enabled: true,
    },
    now,
  );
  store.instances.grant({ userId: 'alice', instanceId: INSTANCE }, now);
}

/** What answers may hold; a test reads what its answer has. */
interface Fields {
  [field: string]: unknown;
  access_token: string;
  refresh_token: string;
  token: string;
  session_key: string;
  error: { code: string; message: string; message_zh: string };
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  body: Fields;
}

export async function ask(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { redirect: 'manual', ...init });
  const text = await response.text();
  const json = response.headers.get('content-type')?.startsWith('application/json') ?? false;
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: JSON.parse(json && text !== '' ? text : '{}'),
  };
}

export function post(url: string, body?: unknown, headers: Record<string, string> = {}) {
  return ask(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body ?? {}),
  });
}

export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

export function login(portal: TestPortal, username = 'alice', password = PASSWORD) {
  return post(`${portal.url}/api/v1/auth/login`, { username, password });
}

export async function signedIn(
  portal: TestPortal,
  username = 'alice',
): Promise<{
  access: string;
  refresh: string;
}> {
  const { body } = await login(portal, username);
  return { access: body['access_token'], refresh: body['refresh_token'] };
}

export function createSession(
  portal: TestPortal,
  access: string,
  body: object = { instance_id: INSTANCE },
) {
  return post(`${portal.url}/api/v1/me/webchat/session/create`, body, bearer(access));
}

/** A handshake token of a new login of alice. */
export async function handshakeToken(portal: TestPortal): Promise<string> {
  const { access } = await signedIn(portal);
  const { body } = await createSession(portal, access);
  return body['token'];
}

export function verify(
  portal: TestPortal,
  token: string,
  query: string = `&instance_id=${INSTANCE}`,
  headers: Record<string, string> = { 'x-internal-secret': INTERNAL_SECRET },
) {
  return ask(`${portal.url}/api/v1/internal/webchat/verify?token=${token}${query}`, { headers });
}

export function denied({ status, headers }: Answer): string {
  return `${status} ${headers.get('x-deny-reason')}`;
}
