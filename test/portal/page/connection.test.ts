/** What the page says and does about its connection: each way in which it ends, and what survives it. */

import { describe, expect, test } from 'vitest';
import { testConfig } from '../../support/config.ts';
import { startGateway } from '../../support/gateway.ts';
import { DONE, events, finish, gate, role, says, text } from '../../support/upstream/openai.ts';
import { answers, composer, connected, say, scene } from './support/scene.ts';

const shared = scene();

/** A browser that says that there is no network, whatever there is. */
const OFFLINE = "Object.defineProperty(Navigator.prototype, 'onLine', { get: () => false })";

/** Puts the stub portal right again, whatever a test did to it. */
function mend(): void {
  Object.assign(shared.portal, {
    upgrades: { kind: 'forward' },
    create: undefined,
    oldestToken: 0,
    gatewayPort: shared.gateway.port,
  });
}

describe('a connection that cannot be made', () => {
  test('is told apart by its cause, and made as soon as it can be', async () => {
    const { page } = await shared.open();
    await connected(page);
    const status = page.getByRole('status');
    // The number is for the operator; words that say it all need none.
    const causes = [
      [{ kind: 'close', code: 4502, reason: 'gateway' }, 'cannot be reached at the moment', '4502'],
      [{ kind: 'close', code: 4503, reason: 'portal' }, 'which checks it, is down', '4503'],
      [{ kind: 'close', code: 4503, reason: 'not_internal' }, 'not set up correctly', '4503'],
      [{ kind: 'close', code: 4504, reason: 'mute' }, 'does not answer', '4504'],
      [{ kind: 'close', code: 4429, reason: 'many' }, 'Too many connections', ''],
      [{ kind: 'close', code: 4401, reason: 'token_expired' }, 'was refused twice', '4401'],
      [{ kind: 'refuse' }, 'The connection did not come about', '1006'],
    ] as const;
    for (const [upgrades, words, code] of causes) {
      shared.portal.upgrades = upgrades;
      shared.portal.cut();
      const said = status.filter({ hasText: words });
      await (code === '' ? said : said.filter({ has: page.getByText(code, { exact: true }) }))
        .first()
        .waitFor({ state: 'attached' });
      mend();
      await connected(page);
      expect((await page.getByRole('status').innerText()).trim()).toBe('');
    }
  });

  test('waits as long as the portal asks, or not at all when told so', async () => {
    shared.portal.create = { status: 429, code: 'rate_limited', retryAfter: 30 };
    const { page } = await shared.open();
    // Counted down while a busy machine looks at it.
    await page
      .getByRole('status')
      .getByText(/Trying again in (?:30|2\d) s/)
      .waitFor();
    mend();
    await page.getByRole('button', { name: 'Try now' }).click();
    await connected(page);
    expect(await page.getByRole('button', { name: 'Try now' }).count()).toBe(0);
  });

  test.each([
    [{ kind: 'close', code: 4403, reason: 'no_permission' }, 'You have no right to use'],
    [{ kind: 'close', code: 4403, reason: 'instance_disabled' }, 'switched off'],
    [{ kind: 'close', code: 4403, reason: 'origin_not_allowed' }, 'takes no pages from this'],
    [{ kind: 'close', code: 4403, reason: 'identity_invalid' }, 'not told who you are'],
    [{ kind: 'close', code: 4404, reason: 'unknown' }, 'no assistant of this name'],
  ] as const)('%o stops, and says what to do', async (upgrades, words) => {
    shared.portal.upgrades = upgrades;
    const { page } = await shared.open();
    await page.getByRole('status').getByText(words).waitFor();
    const made = shared.portal.created();
    mend();
    await page.getByRole('button', { name: 'Try again' }).click();
    await connected(page);
    expect(shared.portal.created()).toBe(made + 1);
  });

  test.each([
    [403, 'no_permission', 'You have no right to use'],
    [403, 'instance_disabled', 'switched off'],
  ])('session/create %i %s stops it', async (status, code, words) => {
    shared.portal.create = { status, code };
    const { page } = await shared.open();
    await page.getByRole('status').getByText(words).first().waitFor({ state: 'attached' });
    mend();
    await page.getByRole('button', { name: 'Try again' }).click();
    await connected(page);
    expect(await page.locator('.status').getAttribute('data-state')).toBe('connected');
  });

  test('for want of a right greets nobody in the name of what the address says', async () => {
    shared.portal.create = { status: 403, code: 'no_permission' };
    const { page } = await shared.open({ address: '?instance_id=Bad%20Id' });
    const status = page.getByRole('status');
    await status.getByText('You have no right to use').waitFor();
    expect(await page.getByRole('heading', { level: 2 }).allInnerTexts()).toEqual([]);
    expect(await composer(page).getAttribute('placeholder')).toBe('Message');
    shared.portal.create = { status: 503, code: 'unavailable', retryAfter: 60 };
    await page.getByRole('button', { name: 'Try again' }).click();
    await status.getByText('The portal cannot be reached').first().waitFor({ state: 'attached' });
    expect(await page.getByRole('heading', { level: 2 }).allInnerTexts()).toEqual([]);
    mend();
    await page.getByRole('button', { name: 'Try now' }).click();
    await page.getByText('What can Mika do for you?').waitFor();
    expect(await composer(page).getAttribute('placeholder')).toBe('Message Mika');
    // A right may also end while the greeting stands there.
    shared.portal.create = { status: 403, code: 'no_permission' };
    shared.portal.endAll(4003);
    await status.getByText('You have no right to use').waitFor();
    expect(await page.getByText('What can').count()).toBe(0);
    mend();
  });

  test('says that a device is asked for, and which setting its operator lacks', async () => {
    const config = testConfig();
    const strict = await startGateway({
      config: {
        ...config,
        gateway: {
          ...(config['gateway'] as object),
          controlUi: { allowedOrigins: ['https://chat.example'] },
        },
      },
    });
    shared.portal.gatewayPort = strict.port;
    const { page } = await shared.open();
    const status = page.getByRole('status');
    await status.getByText('device identity required').waitFor();
    expect(await status.innerText()).toContain('dangerouslyDisableDeviceAuth');
    mend();
  });

  test('says which key is missing when no model is configured', async () => {
    const bare = await startGateway({ config: { ...testConfig(), agents: {} } });
    shared.portal.gatewayPort = bare.port;
    const { page } = await shared.open();
    await page.getByRole('status').getByText('agents.defaults.model').waitFor();
    await say(page, 'hello?');
    await page.getByText(/Not sent/).waitFor();
    expect(await page.locator('.user').innerText()).toContain('hello?');
    mend();
  });
});

describe('signing in', () => {
  test('leads to the chat, and a wrong password does not', async () => {
    const { page } = await shared.open({ signedIn: false });
    await page.getByLabel('User name').fill('tina');
    await page.getByLabel('Password').fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('not right').waitFor();
    await page.getByLabel('Password').fill('secret');
    await page.keyboard.press('Enter');
    await connected(page);
    expect(await page.evaluate("localStorage.getItem('sc_portal_refresh')")).toBe('refresh-tina');
  });

  test('works with a ticket, which leaves the address at once', async () => {
    const { page } = await shared.open({
      signedIn: false,
      address: '?instance_id=oc-ai-jp-2-02#ticket=good',
    });
    await connected(page);
    expect(page.url()).not.toContain('ticket');
  });

  test('is not changed by a ticket while somebody is signed in', async () => {
    const { page } = await shared.open({ address: '?instance_id=oc-ai-jp-2-02#ticket=good' });
    await connected(page);
    expect(page.url()).not.toContain('ticket');
    expect(await page.evaluate("localStorage.getItem('sc_portal_token')")).toMatch(/^access-1-/);
  });

  test('with a ticket that is used up says so', async () => {
    const { page } = await shared.open({
      signedIn: false,
      address: '?instance_id=oc-x#ticket=old',
    });
    await page.getByRole('alert').getByText('expired').waitFor();
    expect(await page.getByLabel('User name').isVisible()).toBe(true);
  });

  test('is renewed without a word when the token has expired', async () => {
    shared.portal.oldestToken = 2;
    const { page } = await shared.open();
    await connected(page);
    expect(await page.evaluate("localStorage.getItem('sc_portal_token')")).not.toMatch(
      /^access-1-/,
    );
    mend();
  });

  test('is asked for when nothing can be renewed, and the draft is still there after it', async () => {
    const { page } = await shared.open();
    await connected(page);
    await composer(page).fill('unsent');
    shared.portal.oldestToken = Number.MAX_SAFE_INTEGER;
    await page.evaluate("localStorage.setItem('sc_portal_refresh', 'spent')");
    shared.portal.cut();
    await page.getByRole('status').getByText('You are signed out').waitFor();
    mend();
    await page.getByRole('status').getByRole('button', { name: 'Sign in' }).click();
    const user = await page.evaluate("localStorage.getItem('sc_portal_user').split('\\n')[0]");
    await page.getByLabel('User name').fill(String(user));
    await page.getByLabel('Password').fill('secret');
    await page.keyboard.press('Enter');
    await connected(page);
    expect(await composer(page).inputValue()).toBe('unsent');
  });

  test('out leaves nothing on the device', async () => {
    const { page } = await shared.open();
    await say(page, 'a secret');
    await answers(page).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('User name').waitFor();
    expect(
      await page.evaluate('JSON.stringify(localStorage) + JSON.stringify(sessionStorage)'),
    ).toBe('{}{}');
  });
});

test('without instance_id the page says so and offers what the user has', async () => {
  const { page } = await shared.open({ address: '' });
  await page.getByText('instance_id is missing').waitFor();
  await page.getByRole('link', { name: 'Mika' }).click();
  await connected(page);
  expect(page.url()).toContain('instance_id=oc-ai-jp-2-02');
});

describe('a connection that is lost', () => {
  test('in the middle of an answer goes on with it, nothing missing and nothing twice', async () => {
    const [first, second] = [gate(), gate()];
    shared.upstream.when(
      says('cut me'),
      events(
        role(),
        text('one '),
        first.promise,
        text('two '),
        second.promise,
        text('three'),
        finish('stop'),
        DONE,
      ),
    );
    const { page } = await shared.open();
    await say(page, 'cut me');
    await page.locator('.live').getByText('one').waitFor();
    shared.portal.upgrades = { kind: 'refuse' };
    shared.portal.cut();
    await page.locator('.dot[data-state="retrying"]').waitFor();
    first.open();
    mend();
    await page.locator('.live').getByText('one two').waitFor();
    second.open();
    await answers(page).waitFor();
    expect(await answers(page).locator('.prose').innerText()).toBe('one two three');
  });

  test('by a reload in the middle of an answer goes on with it too', async () => {
    const hold = gate();
    shared.upstream.when(
      says('reload me'),
      events(role(), text('alpha '), hold.promise, text('beta'), finish('stop'), DONE),
    );
    const { page } = await shared.open();
    await say(page, 'reload me');
    await page.locator('.live').getByText('alpha').waitFor();
    await page.reload();
    await page.locator('.live').getByText('alpha').waitFor();
    hold.open();
    await answers(page).getByText('alpha beta').waitFor();
    expect(await page.locator('.bubble').allInnerTexts()).toEqual(['reload me']);
    expect(await answers(page).count()).toBe(1);
  });

  test('keeps what is sent meanwhile, over a reload too, and sends it once and in order', async () => {
    const { page } = await shared.open();
    await say(page, 'before');
    await answers(page).waitFor();
    shared.portal.create = { status: 503, code: 'unavailable' };
    shared.portal.cut();
    await page.locator('.dot[data-state="retrying"]').waitFor();
    await say(page, 'later one');
    await say(page, 'later two');
    expect(await page.getByText('Waits for the connection').count()).toBe(2);
    await page.reload();
    await page.getByText('Waits for the connection').nth(1).waitFor();
    mend();
    await answers(page).getByText('You said: later two').waitFor();
    expect(await page.locator('.bubble, .answer .prose').allInnerTexts()).toEqual([
      'before',
      'You said: before',
      'later one',
      'You said: later one',
      'later two',
      'You said: later two',
    ]);
    await page.reload();
    await connected(page);
    await answers(page).nth(2).waitFor();
    expect(await page.locator('.bubble').allInnerTexts()).toEqual([
      'before',
      'later one',
      'later two',
    ]);
  });

  test('with the network says offline, and comes back with it', async () => {
    const { page, context } = await shared.open();
    await connected(page);
    await context.setOffline(true);
    await page.getByRole('status').getByText('You are offline').waitFor();
    await say(page, 'written offline');
    await page.getByText('Waits for the connection').waitFor();
    await context.setOffline(false);
    await answers(page).getByText('You said: written offline').waitFor();
    expect(await page.locator('.bubble').count()).toBe(1);
  });

  test('in a browser that wrongly says that there is no network is tried all the same', async () => {
    const { page, context } = await shared.open();
    await context.addInitScript(OFFLINE);
    await page.clock.install();
    await page.route('**/api/**', (route) => route.abort());
    await page.reload();
    const status = page.getByRole('status');
    await status.getByText('You are offline').waitFor();
    await say(page, 'written all the same');
    await page.getByText('Waits for the connection').waitFor();
    await page.evaluate(`{
      const line = document.querySelector('.status');
      window.states = [];
      new MutationObserver(() => states.push(line.dataset.state)).observe(line, { attributes: true });
    }`);
    await page.unroute('**/api/**');
    await page.clock.fastForward('01:00');
    await answers(page).getByText('You said: written all the same').waitFor();
    // Attempts in the background are no news until one is the last.
    expect(await page.evaluate('states')).toEqual(['connected']);
  });

  test('in such a browser is tried at once when told so, and the focus stays where one writes', async () => {
    const { page, context } = await shared.open();
    await context.addInitScript(OFFLINE);
    shared.portal.create = { status: 503, code: 'unavailable', retryAfter: 60 };
    await page.reload();
    await page.getByRole('status').getByText('You are offline').waitFor();
    mend();
    await page.getByRole('button', { name: 'Try now' }).press('Enter');
    await connected(page);
    const focused = () => page.evaluate("document.activeElement.closest('.composer') !== null");
    await expect.poll(focused).toBe(true);
  });

  test('is told as the other side tells it, if that says anything', async () => {
    const { page, context } = await shared.open();
    await context.addInitScript(OFFLINE);
    shared.portal.create = { status: 429, code: 'rate_limited', retryAfter: 30 };
    await page.reload();
    await page.getByRole('status').getByText('Too many connections').first().waitFor();
    mend();
    await page.getByRole('button', { name: 'Try now' }).click();
    await connected(page);
    expect(await page.getByText('You are offline').count()).toBe(0);
  });

  test('by revoked access asks the portal, which tells why', async () => {
    const { page } = await shared.open();
    await connected(page);
    const made = shared.portal.created();
    shared.portal.endAll(4003);
    await expect.poll(() => shared.portal.created()).toBe(made + 1);
    await connected(page);
    shared.portal.create = { status: 403, code: 'no_permission' };
    shared.portal.endAll(4003);
    await page.getByRole('status').getByText('You have no right').waitFor();
    expect(await page.locator('.dot').getAttribute('data-state')).toBe('stopped');
    mend();
  });
});
