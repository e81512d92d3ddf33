/** The contract's test: our portal passes it, and each way of being wrong is found. */

import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CONTRACT_RULES, checkContract } from '../../portal/contract/check.ts';
import {
  INSTANCE,
  INTERNAL_SECRET,
  PASSWORD,
  servePortal,
  signedIn,
  temporaryFolder,
} from './support/portal.ts';
import { portalCommand } from './support/process.ts';

async function secretFile(text = INTERNAL_SECRET): Promise<string> {
  const path = join(await temporaryFolder(), 'secret');
  await writeFile(path, `${text}\n`);
  return path;
}

/** A front that serves the public part and refuses the internal one, as the proxy does; and what it breaks. */
async function startFront(
  portal: string,
  breakIt: Break = () => undefined,
  refuseInternal = true,
): Promise<string> {
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const body = await bodyOf(request);
    const forward = (path = request.url ?? '/', headers: Record<string, string> = {}) =>
      send(portal, request, path, body, headers);
    const call = { path: request.url ?? '/', method: request.method ?? 'GET', body, forward };
    const internal = refuseInternal && call.path.startsWith('/api/v1/internal/');
    const reply = internal
      ? { status: 404, headers: {}, text: '' }
      : ((await breakIt(call)) ?? (await forward()));
    response.writeHead(reply.status, reply.headers).end(reply.text);
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

type Break = (call: Call) => Promise<Reply | undefined> | Reply | undefined;

interface Reply {
  status: number;
  headers: Record<string, string>;
  text: string;
}

interface Call {
  path: string;
  method: string;
  body: string;
  forward(path?: string, headers?: Record<string, string>): Promise<Reply>;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

async function send(
  portal: string,
  request: IncomingMessage,
  path: string,
  body: string,
  more: Record<string, string>,
): Promise<Reply> {
  const headers: Record<string, string> = {};
  for (const name of ['authorization', 'content-type', 'x-internal-secret']) {
    const value = request.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  const response = await fetch(`${portal}${path}`, {
    method: request.method ?? 'GET',
    headers: { ...headers, ...more },
    ...(body !== '' && { body }),
  });
  const { status } = response;
  const kept = [...response.headers].filter(([name]) =>
    /^x-|^cache-control$|^content-type$/.test(name),
  );
  return { status, headers: Object.fromEntries(kept), text: await response.text() };
}

async function contractTest(options: { base: string; internal: string; access: string }) {
  return portalCommand([
    'contract-test',
    '--base-url',
    options.base,
    '--internal-url',
    options.internal,
    '--secret-file',
    await secretFile(),
    '--token-file',
    await secretFile(options.access),
    '--instance',
    INSTANCE,
    '--reuse-seconds',
    '0',
  ]);
}

/** Rules that failed. */
function failed(stdout: string): string[] {
  return [...stdout.matchAll(/^FAIL {2}([a-z-]+):/gm)].map(([, name = '']) => name);
}

describe('our own portal', () => {
  test('passes every rule, with a password and behind a proxy', async () => {
    // The command waits in real seconds for a token to be used up, so this portal's clock goes on.
    const portal = await servePortal(
      {},
      {
        get now() {
          return Date.now();
        },
      },
    );
    const front = await startFront(portal.url);
    const { code, stdout, stderr } = await portalCommand(
      [
        'contract-test',
        '--base-url',
        `${front}/`,
        '--internal-url',
        portal.url,
        '--secret-file',
        await secretFile(),
        '--username',
        'alice',
        '--instance',
        INSTANCE,
        '--forbidden-instance',
        'oc-of-others',
      ],
      { input: PASSWORD },
    );
    expect(stderr).toBe('');
    expect(failed(stdout)).toEqual([]);
    expect(stdout).toContain(`${CONTRACT_RULES.length} of ${CONTRACT_RULES.length} rules hold`);
    expect(code).toBe(0);
  });
});

const VERIFY = '/api/v1/internal/webchat/verify';
const CREATE = '/api/v1/me/webchat/session/create';
const isVerify = ({ path }: Call) => path.startsWith(VERIFY);
const isCreate = ({ path }: Call) => path === CREATE;

/** Changes what was answered, or leaves the call alone. */
function change(when: (call: Call) => boolean, edit: (reply: Reply) => Reply | void) {
  return async (call: Call): Promise<Reply | undefined> => {
    if (!when(call)) return undefined;
    const reply = await call.forward();
    return edit(reply) ?? reply;
  };
}

const BREAKS: [string, Break, string[]][] = [
  [
    'verify lets everybody in',
    (call) =>
      isVerify(call)
        ? {
            status: 200,
            headers: {
              'x-user-id': 'alice',
              'x-instance-id': INSTANCE,
              'x-session-key': 'web-1',
            },
            text: '',
          }
        : undefined,
    [
      'verify-secret',
      'verify-no-token',
      'verify-unknown-token',
      'verify-identity',
      'verify-other-instance',
      'verify-once',
      'verify-not-the-access-token',
    ],
  ],
  [
    'verify does not ask for the secret',
    (call) =>
      isVerify(call)
        ? call.forward(call.path, { 'x-internal-secret': INTERNAL_SECRET })
        : undefined,
    ['verify-secret'],
  ],
  [
    'verify does not compare the instance',
    (call) =>
      isVerify(call) ? call.forward(call.path.replace(/&?instance_id=[^&]*/, '')) : undefined,
    ['verify-other-instance'],
  ],
  [
    'verify answers with an empty user',
    change(isVerify, (reply) => {
      if (reply.status === 200) reply.headers['x-user-id'] = '';
    }),
    [
      'verify-identity',
      'verify-without-instance',
      'verify-other-instance',
      'verify-two-tabs',
      'verify-once',
    ],
  ],
  [
    'verify refuses with 401 and gives no reason',
    change(isVerify, (reply) => {
      if (reply.status !== 403) return;
      delete reply.headers['x-deny-reason'];
      reply.status = 401;
    }),
    [
      'verify-secret',
      'verify-no-token',
      'verify-unknown-token',
      'verify-other-instance',
      'verify-once',
      'verify-not-the-access-token',
    ],
  ],
  [
    'session/create puts the token into ws_url',
    change(isCreate, (reply) => {
      reply.text = reply.text.replace(`/${INSTANCE}"`, `/${INSTANCE}?token=x"`);
    }),
    ['create-answer'],
  ],
  [
    'session/create may be cached and never expires',
    change(isCreate, (reply) => {
      delete reply.headers['cache-control'];
      reply.text = reply.text.replace(
        /"expires_at":"[^"]*"/,
        '"expires_at":"2099-01-01T00:00:00.000Z"',
      );
    }),
    ['create-answer', 'create-expiry'],
  ],
  [
    'session/create makes another session key each time',
    change(isCreate, (reply) => {
      reply.text = reply.text.replace(
        /web-[0-9a-f]{32}/,
        `web-${Math.random().toString(16).slice(2)}`,
      );
    }),
    ['create-twice', 'verify-identity'],
  ],
  [
    'session/create fails on a missing instance_id',
    change(isCreate, (reply) =>
      reply.status === 400 ? { status: 500, headers: {}, text: 'oops' } : undefined,
    ),
    ['create-instance-required', 'create-instance-no-text'],
  ],
  [
    'errors are in one language, and a missing right is 404',
    change(isCreate, (reply) => {
      if (reply.status === 403) reply.status = 404;
      reply.text = reply.text.replace(/,"message_zh":"[^"]*"/, '');
    }),
    [
      'create-unauthorized',
      'create-instance-required',
      'create-no-permission',
      'create-unknown-instance',
    ],
  ],
];

describe('a portal that is wrong', () => {
  test.each(BREAKS)(
    '%s: every rule that it breaks, and no other, fails',
    async (_what, breakIt, rules) => {
      const portal = await servePortal();
      const { access } = await signedIn(portal);
      const broken = await startFront(portal.url, breakIt, false);
      const found: string[] = [];
      const subject = {
        baseUrl: broken,
        internalUrl: broken,
        internalSecret: INTERNAL_SECRET,
        accessToken: access,
        instanceId: INSTANCE,
        forbiddenInstanceId: 'oc-of-others',
        reuseMs: 3_000,
        sleep: async (ms: number) => void (portal.clock.now += ms),
      };
      for await (const { rule, problem } of checkContract(subject)) {
        if (problem !== undefined) found.push(rule.name);
      }
      expect(found.toSorted()).toEqual(rules.toSorted());
    },
  );

  test('an internal part that the public address serves is found', async () => {
    const portal = await servePortal();
    const { access } = await signedIn(portal);
    const open = await startFront(portal.url, undefined, false);
    const { stdout } = await contractTest({ base: open, internal: portal.url, access });
    expect(failed(stdout)).toContain('verify-not-public');
  });

  test('a login that tells who is a user is found', async () => {
    const portal = await servePortal();
    const telling = await startFront(portal.url, (call) =>
      call.body.includes('oc-contract-test-nobody')
        ? {
            status: 401,
            headers: {},
            text: '{"error":{"code":"unknown_user","message":"a","message_zh":"b"}}',
          }
        : undefined,
    );
    const { stdout } = await portalCommand(
      [
        'contract-test',
        '--base-url',
        telling,
        '--internal-url',
        portal.url,
        '--secret-file',
        await secretFile(),
        '--username',
        'alice',
        '--instance',
        INSTANCE,
        '--reuse-seconds',
        '0',
      ],
      { input: PASSWORD },
    );
    expect(failed(stdout)).toContain('login-wrong-password');
  });

  test('nobody there: every rule says so', async () => {
    const { code, stdout } = await contractTest({
      base: 'http://127.0.0.1:9',
      internal: 'http://127.0.0.1:9',
      access: 'x',
    });
    expect(code).toBe(1);
    expect(stdout).toContain('0 of ');
  });
});

test.each([
  [[], '--base-url is missing'],
  [['--base-url', 'ftp://x'], '--base-url: write'],
  [
    ['--base-url', 'http://x', '--internal-url', 'http://y', '--secret-file', '/nowhere'],
    '--secret-file',
  ],
])('contract-test %j is refused with what to do', async (args, problem) => {
  const { code, stderr } = await portalCommand(['contract-test', ...args]);
  expect(code).toBe(2);
  expect(stderr).toContain(problem);
});
