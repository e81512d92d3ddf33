/** Two users of one instance, side by side: nothing of one reaches the other, whatever is tried. */

import { expect, test } from 'vitest';
import { answers, ask, connected, finished, openPage, signIn } from '../support/browser.ts';
import { ONE, TWO } from '../support/chain.ts';
import { createSession, enter, knock, rawHandshake } from '../support/chain-client.ts';
import { chainScene } from '../support/chain-scene.ts';
import {
  answer,
  DONE,
  events,
  finish,
  gate,
  role,
  says,
  text,
} from '../support/upstream/openai.ts';

/** Two handshakes fit into it on a busy machine. */
const REUSE_MS = 3_000;

const scene = chainScene({ portal: { tokens: { reuseSeconds: REUSE_MS / 1000 } } });

async function tokenOf(user: string, instance = ONE): Promise<string> {
  const { access_token } = await signIn(scene.chain, user);
  return (await createSession(scene.chain, access_token, instance)).token;
}

test('two browsers: neither conversations nor events nor search results cross over', async () => {
  const hold = gate();
  scene.chain.upstream.when(
    says('pelican'),
    events(role(), text('Alice asked for '), hold.promise, text('pelicans'), finish('stop'), DONE),
  );
  const [alice, bob] = await Promise.all([
    openPage(scene.browser, scene.chain, { user: 'alice' }),
    openPage(scene.browser, scene.chain, { user: 'bob' }),
  ]);
  await Promise.all([connected(alice.page), connected(bob.page)]);

  await ask(alice.page, 'Tell me about the pelican');
  await answers(alice.page).getByText('Alice asked for').waitFor();
  await ask(bob.page, 'And what about the heron?');
  await finished(bob.page).getByText('You said: And what about the heron?').waitFor();
  hold.open();
  await finished(alice.page).getByText('Alice asked for pelicans').waitFor();

  const rail = (page: typeof alice.page) => page.getByRole('navigation', { name: 'Conversations' });
  await rail(alice.page)
    .getByRole('button', { name: 'Tell me about the pelican' })
    .first()
    .waitFor();
  await rail(bob.page).getByRole('button', { name: 'And what about the heron?' }).first().waitFor();
  expect(await rail(bob.page).innerText()).not.toContain('pelican');
  expect(await rail(alice.page).innerText()).not.toContain('heron');

  await bob.page.keyboard.press('Control+k');
  await bob.page.getByRole('combobox', { name: 'Find a conversation' }).fill('pelican');
  await bob.page.getByText('Nothing found.').waitFor();
  await bob.page.getByRole('combobox', { name: 'Find a conversation' }).fill('heron');
  await bob.page.getByRole('dialog').getByRole('option').first().waitFor();

  expect(bob.frames.items.join('\n')).not.toContain('pelican');
  expect(alice.frames.items.join('\n')).not.toContain('heron');
  expect([...alice.complaints, ...bob.complaints]).toEqual([]);
});

test("another's session key by hand answers as a session that does not exist", async () => {
  scene.chain.upstream.when(says('ostrich'), answer('A secret of Alice'));
  const { access_token } = await signIn(scene.chain, 'alice');
  const session = await createSession(scene.chain, access_token);
  const alice = await enter(scene.chain, { token: session.token });
  const key = session.session_key;
  await alice.ask('chat.send', { sessionKey: key, message: 'the ostrich', idempotencyKey: 'o-1' });
  await alice.event('chat', (each) => each.state === 'final');
  const own = await alice.ask('chat.history', { sessionKey: key });
  expect(JSON.stringify(own)).toContain('A secret of Alice');
  const [asked] = own.payload.messages;

  const bob = await enter(scene.chain, { token: await tokenOf('bob') });
  for (const sessionKey of [key, `agent:main:${key}`]) {
    const history = await bob.ask('chat.history', { sessionKey });
    expect(history).toMatchObject({ ok: true, payload: { messages: [] } });
  }
  await bob.ask('sessions.messages.subscribe', { key });
  await bob.ask('sessions.subscribe', { limit: 100 });
  const { id: messageId } = asked['__openclaw'];
  expect(await bob.ask('sessions.patch', { key, label: 'mine' })).toMatchObject({ ok: false });
  const rewind = await bob.ask('sessions.rewind', { sessionKey: key, entryId: messageId });
  expect(rewind).toMatchObject({ ok: false });
  const message = await bob.ask('chat.message.get', { sessionKey: key, messageId });
  expect(message.payload).toEqual({ ok: false, unavailableReason: 'not_found' });
  await bob.ask('sessions.delete', { key });
  await bob.ask('chat.abort', { sessionKey: key });
  const found = await bob.ask('sessions.search', { query: 'secret of Alice', limit: 20 });
  expect(found).toMatchObject({ ok: true, payload: { results: [] } });

  await alice.ask('chat.send', { sessionKey: key, message: 'ostrich two', idempotencyKey: 'o-2' });
  await alice.event('chat', (each) => each.runId === 'o-2' && each.state === 'final');
  expect(JSON.stringify(await alice.ask('chat.history', { sessionKey: key }))).toContain(
    'ostrich two',
  );
  // Whatever was on its way to bob came before this answer.
  await bob.ask('health');
  expect(JSON.stringify(bob.frames)).not.toMatch(/ostrich|secret of Alice two/i);
});

/** Spellings of the identity headers that a client may try. */
const FORGED: Readonly<Record<string, readonly string[]>> = {
  'the plain ones': ['X-User-ID: alice', 'X-Instance-ID: oc-two', 'X-Session-Key: KEY'],
  'lower case': ['x-user-id: alice', 'x-instance-id: oc-two', 'x-session-key: KEY'],
  'upper case': ['X-USER-ID: alice', 'X-INSTANCE-ID: oc-two', 'X-SESSION-KEY: KEY'],
  'mixed case': ['x-UsEr-Id: alice', 'X-sEsSiOn-KeY: KEY'],
  underscores: ['X_User_ID: alice', 'X_Instance_ID: oc-two', 'X_Session_Key: KEY'],
  'half underscores': ['X-User_ID: alice', 'X_User-ID: alice', 'x-session_key: KEY'],
  duplicates: ['X-User-ID: alice', 'X-User-ID: alice', 'X-User-ID: bob'],
  'an empty one first': ['X-User-ID:', 'X-User-ID: alice'],
  'blanks around': ['X-User-ID: \t alice \t ', 'X-Session-Key:KEY'],
  'a list': ['X-User-ID: bob, alice', 'X-Session-Key: x, KEY'],
  'named in Connection': ['Connection: Upgrade, X-User-ID', 'X-User-ID: alice'],
  'other names for it': [
    'X-Forwarded-User: alice',
    'Remote-User: alice',
    'X-Remote-User: alice',
    'X-Auth-Request-User: alice',
    'X-Real-User-ID: alice',
    'X-Original-X-User-ID: alice',
    'Forwarded: for=127.0.0.1;by=alice',
    'X-Forwarded-For: 127.0.0.1',
  ],
};

test.each(Object.entries(FORGED))(
  'forged headers, %s: the identity stays that of the token',
  async (_name, lines) => {
    const [{ access_token }, alice] = await Promise.all([
      signIn(scene.chain, 'bob'),
      signIn(scene.chain, 'alice'),
    ]);
    const { token, session_key: own } = await createSession(scene.chain, access_token);
    const { session_key: key } = await createSession(scene.chain, alice.access_token);
    const arrival = scene.chain.gateway.willLog('connected');
    const answered = await rawHandshake(
      scene.chain,
      `/oc-ws/${ONE}?token=${token}`,
      lines.map((line) => line.replace('KEY', key)),
    );
    // What is no HTTP is refused by nginx itself; else the socket is bob's, and only bob's.
    if (answered.startsWith('HTTP/1.1 400')) return;
    expect(answered).toContain('HTTP/1.1 101');
    expect(await arrival).toMatchObject({ user: 'bob', instance: ONE });
    expect(answered).toContain(own);
    expect(answered).not.toContain(key);
  },
);

test('a token opens one socket, of its own instance, for as long as it lives', async () => {
  const used = await tokenOf('alice');
  await enter(scene.chain, { token: used });
  const usedAt = Date.now();
  // nginx may try twice, and so may a browser: a moment later it works again, and then never.
  await enter(scene.chain, { token: used });
  await new Promise((resolve) => setTimeout(resolve, usedAt + REUSE_MS + 50 - Date.now()));
  expect(await knock(scene.chain, { token: used })).toEqual({ code: 4401, reason: 'token_used' });
  expect(await knock(scene.chain, { token: await tokenOf('alice'), instance: TWO })).toEqual({
    code: 4403,
    reason: 'instance_mismatch',
  });
  expect(await knock(scene.chain, {})).toEqual({ code: 4401, reason: 'token_missing' });
  expect(await knock(scene.chain, { token: 'A'.repeat(43) })).toEqual({
    code: 4401,
    reason: 'token_invalid',
  });
  const foreign = await knock(scene.chain, {
    token: await tokenOf('alice'),
    origin: 'https://evil.example',
  });
  expect(foreign).toEqual({ code: 4403, reason: 'origin_not_allowed' });
});
