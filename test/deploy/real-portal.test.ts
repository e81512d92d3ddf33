/** The front before the real portal: from a session to an open socket, and what a portal refuses. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommand } from '../support/cli.ts';
import { INSTANCE, SECRET } from '../support/edge-stubs.ts';
import { PORTAL } from '../support/programs.ts';
import {
  edgeFront,
  greeted,
  header,
  mapLine,
  nginxFront,
  ORIGIN,
  type StartFront,
  startChain,
  urlPath,
} from './chain.ts';

interface PortalAnswer {
  status: number;
  body: {
    access_token: string;
    ws_url: string;
    session_key: string;
    token: string;
    error?: { code: string };
  };
}

const INSTANCES = [INSTANCE, 'oc-other', 'oc-forbidden', 'oc-taken'];

/** With alice, who may use all instances but one. */
async function startPortal() {
  const folder = await mkdtemp(join(tmpdir(), 'oc-portal-'));
  const file = join(folder, 'portal.json');
  const config = {
    listen: { port: 0 },
    database: './portal.db',
    jwtSecret: 'jwt-secret-of-the-tests-0123456789abcdef',
    internalSecret: SECRET,
    publicWsBase: 'ws://localhost/oc-ws/',
    allowedOrigins: [ORIGIN],
    trustedProxies: ['127.0.0.1'],
    tokens: { reuseSeconds: 1 },
  };
  await writeFile(file, JSON.stringify(config));
  const env = { OC_PORTAL_CONFIG: file };
  const operate = async (...args: string[]) => {
    const result = await runCommand(args, { env, command: [process.execPath, PORTAL] });
    expect(result).toMatchObject({ code: 0 });
    return result.stdout.trim();
  };
  await operate('users', 'add', 'alice', '--name', 'Alice', '--no-password');
  for (const id of INSTANCES) {
    await operate('instances', 'add', id, '--backend', '127.0.0.1:1', '--name', id);
    if (id !== 'oc-forbidden') await operate('grants', 'add', 'alice', id);
  }
  const child = spawn(process.execPath, [PORTAL, 'serve'], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const lines: string[] = [];
  const listening = new Promise<number>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      const { event, port } = JSON.parse(line);
      if (event === 'listening') resolve(Number(port));
    });
  });
  const address = `127.0.0.1:${await listening}`;
  const ticket = await operate('users', 'ticket', 'alice');
  const { body } = await post(`http://${address}/api/v1/auth/login`, { ticket });
  return {
    address,
    operate,
    lines,
    bearer: body.access_token,
    async stop() {
      child.kill('SIGKILL');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

type Portal = Awaited<ReturnType<typeof startPortal>>;

async function post(url: string, body: object, bearer?: string): Promise<PortalAnswer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      ...(bearer !== undefined && { Authorization: `Bearer ${bearer}` }),
    },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as PortalAnswer['body'] };
}

async function startSignedIn(start: StartFront, portal: Portal) {
  const chain = await startChain(start, {
    values: { portal: portal.address },
    map: (backend) => INSTANCES.map((id) => mapLine(id, backend)).join(''),
  });
  const call = (path: string, body: object, bearer?: string) =>
    post(`http://localhost:${chain.front.port}/api/v1/${path}`, body, bearer);
  const createSession = (instance: string) =>
    call('me/webchat/session/create', { instance_id: instance }, portal.bearer);
  const tokenFor = async (instance: string): Promise<string> => {
    const created = await createSession(instance);
    expect(created.status).toBe(200);
    return created.body.token;
  };
  return { chain, call, createSession, tokenFor };
}

describe.each([
  ['nginx', nginxFront],
  ['edge', edgeFront],
] as const)('%s before the portal', (_name, start) => {
  let portal: Portal;
  beforeAll(async () => {
    portal = await startPortal();
  }, 60_000);
  afterAll(() => portal.stop());

  test('a session becomes a socket, as the user that it was made for', async () => {
    const { chain, createSession } = await startSignedIn(start, portal);
    const created = await createSession(INSTANCE);
    expect(created.body.ws_url).toBe(`ws://localhost/oc-ws/${INSTANCE}`);
    greeted(await chain.knock({ path: urlPath(created.body.token) }));
    const [seen] = chain.gateway.upgrades;
    expect(header(seen, 'X-User-ID')).toBe('alice');
    expect(header(seen, 'X-Instance-ID')).toBe(INSTANCE);
    expect(header(seen, 'X-Session-Key')).toBe(created.body.session_key);
    expect(JSON.stringify([portal.lines, await chain.front.logs()])).not.toContain(
      created.body.token,
    );
  });

  test('a token opens its own instance only, and once', async () => {
    const { chain, tokenFor } = await startSignedIn(start, portal);
    const token = await tokenFor(INSTANCE);
    expect(await chain.knock({ path: urlPath(token, 'oc-other') })).toMatchObject({
      code: 4403,
      reason: 'instance_mismatch',
    });
    const fresh = await tokenFor(INSTANCE);
    greeted(await chain.knock({ path: urlPath(fresh) }));
    await expect
      .poll(() => chain.knock({ path: urlPath(fresh) }), { timeout: 5_000 })
      .toEqual({ kind: 'closed', code: 4401, reason: 'token_used' });
  });

  test('a right that is taken away between token and socket is noticed', async () => {
    const { chain, tokenFor, createSession } = await startSignedIn(start, portal);
    const token = await tokenFor('oc-taken');
    await portal.operate('grants', 'remove', 'alice', 'oc-taken');
    expect(await chain.knock({ path: urlPath(token, 'oc-taken') })).toEqual({
      kind: 'closed',
      code: 4403,
      reason: 'no_permission',
    });
    expect((await createSession('oc-taken')).status).toBe(403);
  });

  test('the errors of the portal pass as they are', async () => {
    const { call, createSession } = await startSignedIn(start, portal);
    expect(await createSession('oc-forbidden')).toMatchObject({
      status: 403,
      body: { error: { code: 'no_permission' } },
    });
    expect(await call('me/webchat/session/create', { instance_id: INSTANCE })).toMatchObject({
      status: 401,
      body: { error: { code: 'unauthorized' } },
    });
    expect(await createSession('')).toMatchObject({ status: 400 });
  });

  test("the operator's own map is taken", async () => {
    const { chain, tokenFor } = await startSignedIn(start, portal);
    await chain.front.reload(await portal.operate('nginx-map'));
    // It names a port where nobody listens.
    const token = await tokenFor('oc-other');
    await expect
      .poll(() => chain.knock({ path: urlPath(token, 'oc-other') }))
      .toMatchObject({ code: 4502 });
  });
});
