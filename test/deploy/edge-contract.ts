/**
 * What stands between browser and gateway must do, whatever it is made of. nginx and the development edge both
 * run these tests.
 */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  INSTANCE,
  type SeenRequest,
  startStubGateway,
  startStubPortal,
} from '../support/edge-stubs.ts';
import { openRaw } from '../support/raw.ts';
import {
  type Chain,
  greeted,
  header,
  type Knock,
  mapLine,
  ORIGIN,
  type StartFront,
  startChain,
  TOKEN,
  urlPath,
} from './chain.ts';

const GATEWAY_HEADERS = new Set([
  'host',
  'upgrade',
  'connection',
  'origin',
  'user-agent',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
  'x-user-id',
  'x-instance-id',
  'x-session-key',
  'x-real-ip',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-request-id',
]);

/** The lines of a handshake that would be let in. */
function handshakeLines(more: readonly string[] = []): string {
  return [
    `GET ${urlPath()} HTTP/1.1`,
    'Host: localhost',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    `Origin: ${ORIGIN}`,
    ...more,
    '',
    '',
  ].join('\r\n');
}

/** Only what the portal said, and nothing of the client's that is not on the list. */
function expectVerifiedOnly(seen: SeenRequest): void {
  expect(seen.url).toBe('/');
  const names = seen.headers.map(([name]) => name.toLowerCase());
  expect(names.filter((name) => !GATEWAY_HEADERS.has(name))).toEqual([]);
  expect(new Set(names).size).toBe(names.length);
  expect(header(seen, 'X-User-ID')).toBe('alice');
  expect(header(seen, 'X-Instance-ID')).toBe(INSTANCE);
  expect(header(seen, 'X-Session-Key')).toBe('web-0123456789abcdef0123456789abcdef');
  expect(header(seen, 'Origin')).toBe(ORIGIN);
  expect(header(seen, 'X-Real-IP')).toBe('127.0.0.1');
  expect(header(seen, 'X-Forwarded-For')).toBe('127.0.0.1');
}

export function describeFront(name: string, start: StartFront): void {
  describe(`${name}: a handshake`, () => {
    test('with a good token reaches the gateway and carries frames both ways', async () => {
      const chain = await startChain(start);
      const socket = greeted(await chain.knock());
      expect(await socket.echo('hi')).toBe('hi');
      const long = 'x'.repeat(200_000);
      expect(await socket.echo(long)).toBe(long);
      expect(chain.gateway.upgrades).toHaveLength(1);
      const [seen] = chain.gateway.upgrades;
      if (seen) expectVerifiedOnly(seen);
      expect(header(seen, 'X-Request-ID')).toMatch(/^[0-9a-f]{32}$/);
      expect(chain.portal.verifies).toHaveLength(1);
      const [asked] = chain.portal.verifies;
      expect(asked?.url).toBe(
        `/api/v1/internal/webchat/verify?token=${TOKEN}&instance_id=${INSTANCE}`,
      );
      expect(header(asked, 'X-Request-ID')).toBe(header(seen, 'X-Request-ID'));
      expect(header(asked, 'Cookie')).toBeUndefined();
    });

    test('passes the subprotocol on, and the secret of the gateway if there is one', async () => {
      const chain = await startChain(start, {
        values: { gatewaySecret: { header: 'X-Gateway-Secret' } },
        env: { OC_GATEWAY_SECRET: 'secret-of-the-gateway-0001' },
      });
      greeted(
        await chain.knock({
          protocols: ['openclaw'],
          headers: { 'X-Gateway-Secret': 'forged-forged-forged' },
        }),
      );
      const [seen] = chain.gateway.upgrades;
      expect(header(seen, 'X-Gateway-Secret')).toBe('secret-of-the-gateway-0001');
      expect(header(seen, 'Sec-WebSocket-Protocol')).toBe('openclaw');
    });

    test.each<[what: string, knock: Knock, code: number, reason: string]>([
      ['no token', { path: `/oc-ws/${INSTANCE}` }, 4401, 'token_missing'],
      ['an empty token', { path: `/oc-ws/${INSTANCE}?token=` }, 4401, 'token_missing'],
      ['a short token', { path: urlPath('sekret') }, 4401, 'token_invalid'],
      ['an unknown token', { path: urlPath('tok-sekret-of-nobody-1') }, 4401, 'token_invalid'],
      ['an expired token', { path: urlPath('tok-sekret-expired-001') }, 4401, 'token_expired'],
      ['a used token', { path: urlPath('tok-sekret-used-000001') }, 4401, 'token_used'],
      [
        'a token of 2,000 characters',
        { path: urlPath('sekret'.repeat(334)) },
        4401,
        'token_invalid',
      ],
      ['an encoded token', { path: urlPath(TOKEN.replace('-', '%2d')) }, 4401, 'token_invalid'],
      [
        'a token with a line break',
        { path: urlPath(`${TOKEN}%0d%0aX-User-ID:root`) },
        4401,
        'token_invalid',
      ],
      ['two tokens', { path: `${urlPath()}&token=tok-sekret-other-0001` }, 4401, 'token_invalid'],
      ['the same token twice', { path: `${urlPath()}&token=${TOKEN}` }, 4401, 'token_invalid'],
      ['more than a token', { path: `${urlPath()}&instance_id=oc-other` }, 4401, 'token_invalid'],
      ['a token in capitals', { path: `/oc-ws/${INSTANCE}?TOKEN=${TOKEN}` }, 4401, 'token_invalid'],
      [
        'a token for another instance',
        { path: urlPath('tok-sekret-other-inst') },
        4403,
        'instance_mismatch',
      ],
      ['no right', { path: urlPath('tok-sekret-no-right-01') }, 4403, 'no_permission'],
      [
        'an instance switched off',
        { path: urlPath('tok-sekret-disabled-1') },
        4403,
        'instance_disabled',
      ],
      ['a user switched off', { path: urlPath('tok-sekret-user-off-1') }, 4403, 'user_disabled'],
      [
        "a word that is not the contract's",
        { path: urlPath('tok-sekret-odd-word-1') },
        4403,
        'no_permission',
      ],
      ['no user', { path: urlPath('tok-sekret-no-user-001') }, 4403, 'identity_invalid'],
      ['a user beyond ASCII', { path: urlPath('tok-sekret-beyond-001') }, 4403, 'identity_invalid'],
      ['a user with a space', { path: urlPath('tok-sekret-space-0001') }, 4403, 'identity_invalid'],
      ['a user with a comma', { path: urlPath('tok-sekret-comma-0001') }, 4403, 'identity_invalid'],
      ['no session', { path: urlPath('tok-sekret-no-sess-01') }, 4403, 'identity_invalid'],
      ['a verify of 401', { path: urlPath('tok-sekret-status-401') }, 4401, 'token_invalid'],
      ['a verify of 429', { path: urlPath('tok-sekret-status-429') }, 4503, 'portal_unavailable'],
      ['a verify of 500', { path: urlPath('tok-sekret-status-500') }, 4503, 'portal_unavailable'],
      ['a verify of 302', { path: urlPath('tok-sekret-status-302') }, 4503, 'portal_unavailable'],
      ['an unknown instance', { path: urlPath(TOKEN, 'oc-unknown') }, 4404, 'instance_unknown'],
      [
        'no instance id at all',
        { path: urlPath(TOKEN, 'OC-AI-JP-2-02') },
        4404,
        'instance_unknown',
      ],
      ['a longer path', { path: urlPath(TOKEN, `${INSTANCE}/x`) }, 4404, 'instance_unknown'],
    ])('with %s is closed with a code and a reason', async (_what, knock, code, reason) => {
      const chain = await startChain(start, {
        tokens: {
          'tok-sekret-expired-001': { deny: 'token_expired' },
          'tok-sekret-used-000001': { deny: 'token_used' },
          'tok-sekret-other-inst': { user: 'alice', instance: 'oc-other' },
          'tok-sekret-no-right-01': { deny: 'no_permission' },
          'tok-sekret-disabled-1': { deny: 'instance_disabled' },
          'tok-sekret-user-off-1': { deny: 'user_disabled' },
          'tok-sekret-odd-word-1': { deny: 'because <b>I</b> say so' },
          'tok-sekret-no-user-001': { user: '' },
          'tok-sekret-beyond-001': { user: 'zoë' },
          'tok-sekret-space-0001': { user: 'a b' },
          'tok-sekret-comma-0001': { user: 'a, b' },
          'tok-sekret-no-sess-01': { user: 'alice', session: '' },
          'tok-sekret-status-401': { status: 401 },
          'tok-sekret-status-429': { status: 429 },
          'tok-sekret-status-500': { status: 500 },
          'tok-sekret-status-302': { status: 302, headers: { location: 'http://127.0.0.1:1/' } },
        },
      });
      expect(await chain.knock(knock)).toEqual({ kind: 'closed', code, reason });
      expect(chain.gateway.upgrades).toEqual([]);
    });

    test.each([
      ['none', undefined],
      ['null', 'null'],
      ['capitals', 'https://APP.example'],
      ['another scheme', 'http://app.example'],
      ['a port', `${ORIGIN}:443`],
      ['a final dot', `${ORIGIN}.`],
      ['a final slash', `${ORIGIN}/`],
      ['a suffix', `${ORIGIN}.evil.example`],
      ['a prefix', 'https://evil-app.example'],
      ['another letter for the dot', 'https://appxexample'],
      ['two in one', `${ORIGIN}, https://evil.example`],
      ['a space', `${ORIGIN} x`],
    ])(
      'from a page whose origin is not allowed (%s) is closed, and nobody is asked',
      async (_what, origin) => {
        const chain = await startChain(start);
        expect(await chain.knock({ origin })).toEqual({
          kind: 'closed',
          code: 4403,
          reason: 'origin_not_allowed',
        });
        expect(chain.portal.verifies).toEqual([]);
        expect(chain.gateway.upgrades).toEqual([]);
      },
    );

    test.each<[what: string, lines: string, status: number]>([
      ['a POST', handshakeLines().replace('GET', 'POST'), 405],
      [
        'no upgrade',
        `GET ${urlPath()} HTTP/1.1\r\nHost: localhost\r\nOrigin: ${ORIGIN}\r\n\r\n`,
        426,
      ],
      ['another protocol', handshakeLines().replace('Upgrade: websocket', 'Upgrade: h2c'), 426],
      [
        'no Connection',
        handshakeLines().replace('Connection: Upgrade', 'Connection: keep-alive'),
        426,
      ],
      ['another host', handshakeLines().replace('localhost', 'evil.example'), 421],
      ['no host', handshakeLines().replace('Host: localhost\r\n', ''), 400],
      [
        'two hosts',
        handshakeLines().replace('Host: localhost', 'Host: localhost\r\nHost: evil'),
        400,
      ],
    ])('that is none (%s) gets an HTTP status', async (_what, lines, status) => {
      const chain = await startChain(start);
      const peer = await openRaw(chain.front.port);
      peer.send(lines);
      expect(await peer.until('\r\n\r\n')).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
      expect(chain.portal.verifies).toEqual([]);
      expect(chain.gateway.upgrades).toEqual([]);
    });
  });

  describe(`${name}: what a client sends of who it is`, () => {
    test.each<[what: string, lines: string[]]>([
      ['the headers', ['X-User-ID: root', 'X-Instance-ID: oc-root', 'X-Session-Key: root']],
      ['twice', ['X-User-ID: alice', 'X-User-ID: root']],
      ['capitals', ['X-USER-ID: root', 'x-user-id: root2']],
      ['underscores', ['X_User_ID: root', 'X_USER-ID: root', 'x_session_key: root']],
      ['dots', ['X.User.ID: root']],
      ['an empty one', ['X-User-ID:']],
      ['beyond ASCII', ['X-User-ID: r\u00f6\u00f6t', 'X-Us\u00e9r-ID: root']],
      ['tabs', ['X-User-ID:\troot\t']],
      ['a list', ['X-User-ID: root, alice']],
      [
        'forwarding',
        [
          'X-Forwarded-For: 10.9.8.7',
          'X-Forwarded-Proto: gopher',
          'X-Real-IP: 10.9.8.7',
          'Forwarded: for=10.9.8.7',
        ],
      ],
      [
        'forwarding, more',
        [
          'X-Forwarded-Host: evil',
          'X-Forwarded-User: root',
          'X-Remote-User: root',
          'X-Original-URL: /x',
          'True-Client-IP: 10.9.8.7',
          'X-Request-ID: mine',
        ],
      ],
      [
        'secrets',
        ['X-Internal-Secret: guess', 'X-Gateway-Secret: guess', 'Authorization: Bearer x'],
      ],
      ['cookies', ['Cookie: session=root', 'Set-Cookie: a=b']],
      ['connection tricks', ['Connection: X-User-ID', 'TE: trailers', 'Keep-Alive: x']],
      ['a body that is not there', ['Content-Length: 0']],
      ['a large header', [`X-Filler: ${'f'.repeat(7_000)}`, 'X-User-ID: root']],
      ['an oversized header', [`X-User-ID: ${'r'.repeat(40_000)}`]],
      [
        'many headers',
        [...Array.from({ length: 90 }, (_, at) => `X-Filler-${at}: f`), 'X-User-ID: root'],
      ],
      ['a folded header', ['X-Filler: a', ' X-User-ID: root']],
      ['a space before the colon', ['X-User-ID : root']],
      ['a second origin', ['Origin: https://evil.example']],
      ['a second host', ['Host: evil.example']],
      [
        'refusal headers',
        ['X-Reject-Status: 404', 'X-Reject-Reason: token_used', 'X-Deny-Reason: x'],
      ],
    ])('never arrives (%s)', async (_what, lines) => {
      const chain = await startChain(start);
      const peer = await openRaw(chain.front.port);
      peer.send(Buffer.from(handshakeLines(lines), 'latin1'));
      const answer = await Promise.race([peer.until('\r\n\r\n'), peer.ended]);
      // Either it was dropped on the way, or the whole request was refused.
      expect(answer).toMatch(/^HTTP\/1\.1 (?:101|400|403|413|414|421|431) /);
      for (const seen of chain.gateway.upgrades) expectVerifiedOnly(seen);
      for (const asked of chain.portal.verifies) {
        expect(header(asked, 'X-User-ID')).toBeUndefined();
        expect(header(asked, 'Cookie')).toBeUndefined();
        expect(header(asked, 'X-Internal-Secret')).toBe('internal-secret-of-the-tests-0123456789');
        expect(header(asked, 'X-Real-IP')).toBe('127.0.0.1');
      }
    });

    test('does not arrive through a request smuggled behind the handshake', async () => {
      const chain = await startChain(start);
      const peer = await openRaw(chain.front.port);
      const second = handshakeLines(['X-User-ID: root']).replace(urlPath(), '/');
      peer.send(handshakeLines(['Transfer-Encoding: chunked']) + `0\r\n\r\n${second}`);
      await Promise.race([peer.until('\r\n\r\n'), peer.ended]);
      for (const seen of chain.gateway.upgrades) expectVerifiedOnly(seen);
      expect(chain.gateway.upgrades.length).toBeLessThanOrEqual(1);
    });
  });

  describe(`${name}: somebody is not there`, () => {
    test.each<
      [what: string, options: Parameters<typeof startChain>[1], code: number, reason: string]
    >([
      ['the portal is down', { absent: 'portal' }, 4503, 'portal_unavailable'],
      [
        'the portal is mute',
        { tokens: { [TOKEN]: 'mute' }, values: { timeouts: { verifyMs: 200 } } },
        4503,
        'portal_unavailable',
      ],
      [
        'the portal does not know the secret',
        { env: { OC_INTERNAL_SECRET: 'another-secret-altogether' } },
        4503,
        'not_internal',
      ],
      ['the gateway is down', { absent: 'gateway' }, 4502, 'gateway_unavailable'],
      ['the gateway refuses with 403', { gateway: { status: 403 } }, 4502, 'gateway_unavailable'],
      ['the gateway refuses with 429', { gateway: { status: 429 } }, 4502, 'gateway_unavailable'],
      ['the gateway is draining', { gateway: { status: 503 } }, 4502, 'gateway_unavailable'],
      ['the gateway answers 504', { gateway: { status: 504 } }, 4504, 'gateway_mute'],
      [
        'the gateway is mute',
        { gateway: 'mute', values: { timeouts: { readMs: 300 } } },
        4504,
        'gateway_mute',
      ],
    ])('%s: the page is told', async (_what, options, code, reason) => {
      const chain = await startChain(start, options);
      expect(await chain.knock()).toEqual({ kind: 'closed', code, reason });
    });

    test('a portal that comes and goes is noticed each time', async () => {
      const chain = await startChain(start);
      greeted(await chain.knock());
      const socket = greeted(await chain.knock());
      await chain.portal.stop();
      expect(await chain.knock()).toMatchObject({ code: 4503 });
      // Who is in stays in.
      expect(await socket.echo('still')).toBe('still');
    });

    test('a portal that was restarted costs no handshake', async () => {
      const chain = await startChain(start);
      await Promise.all([1, 2, 3].map(async () => greeted(await chain.knock())));
      await chain.portal.stop();
      const port = Number(chain.portal.address.split(':')[1]);
      const next = await startStubPortal({ [TOKEN]: { user: 'alice' } }, port);
      for (const _ of [1, 2, 3, 4]) greeted(await chain.knock());
      expect(next.verifies).toHaveLength(4);
      await next.stop();
    });

    test('a gateway cannot send the request elsewhere', async () => {
      const line = 'X-Accel-Redirect: /portal/chat/';
      const chain = await startChain(start, { gateway: { status: 200, line } });
      expect((await chain.knock()).kind).not.toBe('greeted');
      expect(chain.gateway.upgrades).toHaveLength(1);
      expect(chain.portal.requests).toEqual([]);
    });

    test('a gateway that ends takes its sockets with it', async () => {
      const chain = await startChain(start);
      const socket = greeted(await chain.knock());
      await chain.gateway.stop();
      expect(await socket.closed).toBe(1006);
      expect(await chain.knock()).toMatchObject({ code: 4502 });
    });

    test('a client that leaves is told to the gateway', async () => {
      const chain = await startChain(start);
      const socket = greeted(await chain.knock());
      expect(chain.gateway.sockets.size).toBe(1);
      const [atGateway] = chain.gateway.sockets;
      const gone = new Promise((resolve) => atGateway?.once('close', resolve));
      socket.close();
      await gone;
    });
  });

  describe(`${name}: time, limits and reloads`, () => {
    test('a silent socket ends after the read timeout, a pinging one stays', async () => {
      const chain = await startChain(start, { values: { timeouts: { readMs: 1_200 } } });
      const silent = greeted(await chain.knock());
      const lively = greeted(await chain.knock());
      const pinging = setInterval(() => lively.ping(), 50);
      expect(await silent.closed).toBe(1006);
      expect(await lively.echo('still')).toBe('still');
      clearInterval(pinging);
    });

    test('a user has so many sockets and no more, until one closes', async () => {
      const chain = await startChain(start, {
        tokens: { 'tok-sekret-of-bob-00001': { user: 'bob' } },
        values: { limits: { socketsPerUser: 2 } },
      });
      const first = greeted(await chain.knock());
      greeted(await chain.knock());
      expect(await chain.knock()).toEqual({ kind: 'closed', code: 4429, reason: 'too_many' });
      greeted(await chain.knock({ path: urlPath('tok-sekret-of-bob-00001') }));
      first.close();
      await first.closed;
      await expect.poll(async () => (await chain.knock()).kind).toBe('greeted');
    });

    test('too many handshakes at once are told so', async () => {
      const chain = await startChain(start, {
        values: { limits: { handshakesPerSecond: 1, handshakeBurst: 2 } },
      });
      const outcomes = await Promise.all(Array.from({ length: 20 }, () => chain.knock()));
      const refused = outcomes.filter((each) => each.kind === 'closed');
      expect(refused.length).toBeGreaterThanOrEqual(10);
      for (const each of refused) expect(each).toMatchObject({ code: 4429, reason: 'too_many' });
      expect(outcomes.some((each) => each.kind === 'greeted')).toBe(true);
    });

    test('a reload keeps live sockets, knows a new instance and forgets a removed one', async () => {
      const tokenOfB = 'tok-sekret-for-inst-b1';
      const chain = await startChain(start, {
        tokens: { [tokenOfB]: { user: 'alice', instance: 'oc-b' } },
      });
      const before = greeted(await chain.knock());
      const knockAtB = () => chain.knock({ path: urlPath(tokenOfB, 'oc-b') });
      expect(await knockAtB()).toMatchObject({ code: 4404 });
      await chain.front.reload(mapLine('oc-b', chain.gateway.address));
      await expect.poll(async () => (await knockAtB()).kind).toBe('greeted');
      await expect
        .poll(() => chain.knock())
        .toEqual({ kind: 'closed', code: 4404, reason: 'instance_unknown' });
      expect(await before.echo('still')).toBe('still');
    });

    test('reloads cost no handshake of an instance that stays', async () => {
      const chain = await startChain(start, {
        values: { limits: { handshakesPerSecond: 10_000, socketsPerUser: 10_000 } },
      });
      const own = mapLine(INSTANCE, chain.gateway.address);
      const reloads = new AbortController();
      const knocking = (async () => {
        let count = 0;
        while (!reloads.signal.aborted || count < 20) {
          greeted(await chain.knock()).close();
          count += 1;
        }
      })();
      for (const id of ['oc-x1', 'oc-x2', 'oc-x3', 'oc-x4', 'oc-x5']) {
        await chain.front.reload(own + mapLine(id, chain.gateway.address));
        // The token is for another instance: to be told so, the new map must be there.
        const path = urlPath(TOKEN, id);
        await expect.poll(() => chain.knock({ path })).toMatchObject({ code: 4403 });
      }
      reloads.abort();
      await knocking;
    });

    test('sessions of a pool keep to one process', async () => {
      const [one, two] = await Promise.all([startStubGateway(), startStubGateway()]);
      const users = Array.from({ length: 12 }, (_, at) => `u${at}`);
      const chain = await startChain(start, {
        tokens: Object.fromEntries(
          users.map((user) => [`tok-sekret-of-user-${user}`, { user, session: `web-${user}` }]),
        ),
        map: () => mapLine(INSTANCE, 'oc_pool'),
        values: { upstreams: { oc_pool: [one.address, two.address] } },
      });
      for (const user of [...users, ...users]) {
        greeted(await chain.knock({ path: urlPath(`tok-sekret-of-user-${user}`) })).close();
      }
      const sessionsOf = (gateway: typeof one) =>
        gateway.upgrades.map((seen) => header(seen, 'X-Session-Key') ?? '');
      const [atOne, atTwo] = [sessionsOf(one), sessionsOf(two)];
      expect(atOne.length + atTwo.length).toBe(24);
      expect(atOne.filter((each) => atTwo.includes(each))).toEqual([]);
      expect(Math.min(atOne.length, atTwo.length)).toBeGreaterThan(0);
      await Promise.all([one.stop(), two.stop()]);
    });

    test.each([
      ['that answers 503', { status: 503 }],
      ['that is gone', 'gone'],
    ] as const)('a process of a pool %s is passed over, and asked again', async (_what, how) => {
      const [busy, free] = await Promise.all([
        startStubGateway(how === 'gone' ? 'echo' : how),
        startStubGateway(),
      ]);
      if (how === 'gone') await busy.stop();
      const users = Array.from({ length: 12 }, (_, at) => `u${at}`);
      const chain = await startChain(start, {
        tokens: Object.fromEntries(
          users.map((user) => [`tok-sekret-of-user-${user}`, { user, session: `web-${user}` }]),
        ),
        map: () => mapLine(INSTANCE, 'oc_pool'),
        values: { upstreams: { oc_pool: [busy.address, free.address] } },
      });
      for (const user of [...users, ...users]) {
        greeted(await chain.knock({ path: urlPath(`tok-sekret-of-user-${user}`) })).close();
      }
      expect(free.upgrades).toHaveLength(24);
      // Half of the users, twice each: a 503 to one of them says nothing of the others.
      const again = busy.upgrades.map((seen) => header(seen, 'X-Session-Key') ?? '');
      expect(again).toHaveLength(2 * new Set(again).size);
      expect(again.length > 0).toBe(how !== 'gone');
      await Promise.all([free.stop(), ...(how === 'gone' ? [] : [busy.stop()])]);
    });

    test('a refused handshake is logged with its reason', async () => {
      const chain = await startChain(start);
      await chain.knock({ path: urlPath('tok-sekret-of-nobody-1') });
      await expect.poll(() => chain.front.logs()).toContain('token_invalid');
    });
  });

  describePortal(name, start);
}

const OWN_WORDS = '{"error":{"code":"own_words"}}';

/** A portal that answers everything with this status. */
async function startStatusPortal(status: number): Promise<string> {
  const server = createServer((_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(OWN_WORDS);
  });
  onTestFinished(() => void server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
}

interface Called {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** The page that stands in for the chat, which needs nothing but itself and may do nothing. */
function expectAway({ status, headers, text }: Called, expected: number): void {
  expect(status).toBe(expected);
  expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(headers.get('cache-control')).toBe('no-store');
  expect(text).toContain('The chat is not available for a moment.');
  expect(text).toMatch(/\p{Script=Han}/u);
  expect(text).toMatch(/<meta http-equiv="refresh" content="\d">/);
  expect(text).not.toMatch(/<script|src=|href=|url\(/);
  const style = /<style>(.*)<\/style>/s.exec(text)?.[1] ?? '';
  const hash = createHash('sha256').update(style).digest('base64');
  const policy = headers.get('content-security-policy')?.split('; ');
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain(`style-src 'sha256-${hash}'`);
  expect(policy?.join()).not.toContain('unsafe');
}

function describePortal(name: string, start: StartFront): void {
  const call = async (chain: Chain, path: string, init: RequestInit = {}): Promise<Called> => {
    const response = await fetch(`http://localhost:${chain.front.port}${path}`, {
      redirect: 'manual',
      ...init,
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  };

  describe(`${name}: the page and the API`, () => {
    test('are passed on, with the headers of a list', async () => {
      const chain = await startChain(start);
      const page = await call(chain, '/portal/chat/?instance_id=oc-a&name=%E5%93%88');
      expect(page).toMatchObject({ status: 200 });
      expect(page.headers.get('x-from')).toBe('portal');
      expect((await call(chain, '/portal/chat/assets/main-a1_B2.js')).status).toBe(200);
      const login = await call(chain, '/api/v1/auth/login', {
        method: 'POST',
        body: '{"username":"a"}',
        headers: {
          'Content-Type': 'application/json',
          Authorization: 'Bearer abc',
          Origin: ORIGIN,
          Cookie: 'a=b',
          'X-User-ID': 'root',
          'X-Internal-Secret': 'guess',
          'X-Forwarded-For': '10.9.8.7',
        },
      });
      expect(login.status).toBe(200);
      const [first, , third] = chain.portal.requests;
      expect(first?.url).toBe('/portal/chat/?instance_id=oc-a&name=%E5%93%88');
      expect(third).toMatchObject({
        method: 'POST',
        url: '/api/v1/auth/login',
        body: '{"username":"a"}',
      });
      expect(header(third, 'Authorization')).toBe('Bearer abc');
      expect(header(third, 'Origin')).toBe(ORIGIN);
      expect(header(third, 'X-Forwarded-For')).toBe('127.0.0.1');
      for (const absent of ['Cookie', 'X-User-ID', 'X-Internal-Secret']) {
        expect(header(third, absent)).toBeUndefined();
      }
    });

    test('the page without its final slash leads there', async () => {
      const chain = await startChain(start);
      const { status, headers } = await call(chain, '/portal/chat?instance_id=oc-a');
      expect([status, headers.get('location')]).toEqual([301, '/portal/chat/?instance_id=oc-a']);
    });

    test('who names only the host comes to the page', async () => {
      const chain = await startChain(start);
      const { status, headers } = await call(chain, '/');
      expect([status, headers.get('location')]).toEqual([302, '/portal/chat/']);
    });

    test('while the portal is down, the page is one that says so, tries again and is kept by nobody', async () => {
      const chain = await startChain(start, { absent: 'portal' });
      // `config.json` and the like are asked for by the page's own code, which looks at the status.
      for (const path of ['', '?instance_id=oc-a', 'index.html', 'config.json', 'assets/m-1.js']) {
        expectAway(await call(chain, `/portal/chat/${path}`), 502);
      }
      const head = await call(chain, '/portal/chat/', { method: 'HEAD' });
      expect([head.status, head.headers.get('cache-control')]).toEqual([502, 'no-store']);
      expect(await call(chain, '/portal/chat/', { method: 'POST' })).toMatchObject({ status: 405 });
    });

    test.each([502, 503, 504])(
      'a portal that answers %i itself, as one that stops does, looks no different on the page',
      async (status) => {
        const portal = await startStatusPortal(status);
        const chain = await startChain(start, { values: { portal } });
        expectAway(await call(chain, '/portal/chat/'), status);
        const { text, headers } = await call(chain, '/api/v1/me/instances');
        expect([text, headers.get('content-type')]).toEqual([OWN_WORDS, 'application/json']);
      },
    );

    test('the page takes no POST', async () => {
      const chain = await startChain(start);
      expect(await call(chain, '/portal/chat/', { method: 'POST' })).toMatchObject({ status: 405 });
      expect(chain.portal.requests).toEqual([]);
    });

    test.each([
      '/api/v1/internal/webchat/verify?token=a',
      '/API/V1/INTERNAL/webchat/verify',
      '/api/v1/Internal/webchat/verify',
      '/api/v1/internal',
      '/api/v1/internal/',
      '//api/v1/internal/webchat/verify',
      '/api//v1///internal/webchat/verify',
      '/api/v1/./internal/webchat/verify',
      '/api/v1/me/../internal/webchat/verify',
      '/api/v1/me/..%2finternal/webchat/verify',
      '/api/v1/me/%2e%2e/internal/webchat/verify',
      '/api/v1/me/%2e%2e%2finternal%2fwebchat%2fverify',
      '/api/v1%2finternal%2fwebchat%2fverify',
      '/api/v1/%69nternal/webchat/verify',
      '/api/v1/me%2f..%2f..%2fv1%2finternal/webchat/verify',
      '/api/v1/me/%252e%252e/internal/webchat/verify',
      '/api/v1/me/..\\internal/webchat/verify',
      '/api/v1/me;/../internal/webchat/verify',
      '/api/v1/me/..;/internal/webchat/verify',
      '/api/v1/me%00/../internal/webchat/verify',
      '/portal/chat/../../api/v1/internal/webchat/verify',
      '/portal/chat/..%2f..%2fapi/v1/internal/webchat/verify',
      '/portal/chat/%2e%2e/%2e%2e/api/v1/internal/webchat/verify',
      '/oc-ws/../api/v1/internal/webchat/verify',
      '/_oc_verify?token=a',
      '/api/v1/internal/webchat/verify#/api/v1/me/instances',
      '/healthz',
      '/readyz',
      '/metrics',
      '/index.html',
    ])('the internal part is not there: %s', async (path) => {
      const chain = await startChain(start);
      const peer = await openRaw(chain.front.port);
      peer.send(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
      expect(await peer.ended).toMatch(/^HTTP\/1\.1 (?:400|404) /);
      expect([...chain.portal.verifies, ...chain.portal.requests]).toEqual([]);
    });

    test('the portal gets a path as it was judged', async () => {
      const chain = await startChain(start);
      const peer = await openRaw(chain.front.port);
      peer.send(
        'GET /api/v1/internal/../me//instances?a=%2f HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      );
      expect(await peer.ended).toMatch(/^HTTP\/1\.1 200 /);
      expect(chain.portal.requests.map(({ url }) => url)).toEqual(['/api/v1/me/instances?a=%2f']);
    });

    test('a body beyond 64 KiB is refused', async () => {
      const chain = await startChain(start);
      const body = 'x'.repeat(70_000);
      expect(await call(chain, '/api/v1/auth/login', { method: 'POST', body })).toMatchObject({
        status: 413,
      });
    });

    test('an absent portal and too many requests are errors that a page of an allowed origin can read', async () => {
      const chain = await startChain(start, {
        values: { limits: { apiPerSecond: 1, apiBurst: 1 } },
      });
      await chain.portal.stop();
      const ask = () => call(chain, '/api/v1/me/instances', { headers: { Origin: ORIGIN } });
      const down = await ask();
      expect(down.status).toBe(503);
      expect(JSON.parse(down.text)).toEqual({
        error: {
          code: 'unavailable',
          message: expect.any(String),
          message_zh: expect.stringMatching(/\p{Script=Han}/u),
        },
      });
      const answers = await Promise.all(Array.from({ length: 10 }, ask));
      const limited = answers.find(({ status }) => status === 429);
      expect(JSON.parse(limited?.text ?? '{}')).toMatchObject({ error: { code: 'rate_limited' } });
      for (const each of [down, limited]) {
        expect(each?.headers.get('access-control-allow-origin')).toBe(ORIGIN);
        expect(Number(each?.headers.get('retry-after'))).toBeGreaterThan(0);
      }
      const stranger = await call(chain, '/api/v1/me/instances', {
        headers: { Origin: 'https://evil.example' },
      });
      expect(stranger.headers.get('access-control-allow-origin')).toBeNull();
    });

    test('three names serve a part each', async () => {
      const chain = await startChain(start, {
        values: {
          serverNames: {
            page: ['app.example'],
            api: ['m.example'],
            socket: ['localhost', '127.0.0.1'],
          },
        },
      });
      const ask = async (host: string, path: string) => {
        const peer = await openRaw(chain.front.port);
        peer.send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
        return (await peer.ended).slice(9, 12);
      };
      expect(await ask('app.example', '/portal/chat/')).toBe('200');
      expect(await ask('m.example', '/api/v1/me/instances')).toBe('200');
      expect(await ask('m.example', '/portal/chat/')).toBe('404');
      expect(await ask('app.example', '/api/v1/me/instances')).toBe('404');
      expect(await ask('app.example', urlPath())).toBe('404');
      expect(await ask('elsewhere.example', '/portal/chat/')).toBe('421');
      greeted(await chain.knock());
    });
  });
}
