/** One browser, several people: what each finds there, and what nobody else does. */

import type { Page } from 'playwright-core';
import { afterEach, describe, expect, test } from 'vitest';
import { answers, composer, connected, say, scene } from './support/scene.ts';

const shared = scene();

/** Puts the stub portal right again, whatever a test did to it. */
function mend(): void {
  Object.assign(shared.portal, { create: undefined, oldestToken: 0 });
}

afterEach(mend);

/** The sign-in ends by itself, as it does after some days. */
async function expire(page: Page): Promise<void> {
  shared.portal.oldestToken = Number.MAX_SAFE_INTEGER;
  await page.evaluate("localStorage.setItem('sc_portal_refresh', 'spent')");
  shared.portal.cut();
  await page.getByRole('status').getByText('You are signed out').waitFor();
}

async function signIn(page: Page, user: string): Promise<void> {
  await page.getByLabel('User name').fill(user);
  await page.getByLabel('Password').fill('secret');
  await page.keyboard.press('Enter');
  await connected(page);
}

async function signOut(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Sign out' }).click();
}

async function stored(page: Page): Promise<string> {
  return String(await page.evaluate('JSON.stringify(localStorage)'));
}

/** One message went out and is answered, another waits since the sign-in has ended. */
async function leaveUnsent(page: Page): Promise<void> {
  await say(page, 'sent before');
  await answers(page).getByText('You said: sent before').waitFor();
  await expire(page);
  await say(page, 'not sent yet');
  await page.getByText('Waits for the connection').waitFor();
  await composer(page).fill('half a thought');
}

describe('a message that waits when its user is signed out', () => {
  test('outlasts the next user, who never sees it and signs out', async () => {
    const { page } = await shared.open({ user: 'anna' });
    await leaveUnsent(page);
    await page.getByRole('status').getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('nothing is lost').waitFor();
    mend();
    await signIn(page, 'ben');
    await page.getByText('What can Mika do for you?').waitFor();
    expect(await page.locator('body').innerText()).not.toMatch(/sent before|not sent yet/);
    expect(await composer(page).inputValue()).toBe('');
    await say(page, 'of ben');
    await answers(page).getByText('You said: of ben').waitFor();
    // What waits is Anna's, so Ben is not asked about it.
    await signOut(page);
    await page.getByLabel('User name').waitFor();
    expect(await stored(page)).not.toMatch(/ben|sent before/);
    await signIn(page, 'anna');
    await answers(page).getByText('You said: not sent yet').waitFor();
    expect(await page.locator('.bubble').allInnerTexts()).toEqual(['sent before', 'not sent yet']);
    expect(await composer(page).inputValue()).toBe('half a thought');
  });

  test('is that of the user whose name it bears, and not of one whose name begins so', async () => {
    const { page } = await shared.open({ user: 'idp:anna' });
    await leaveUnsent(page);
    await page.getByRole('status').getByRole('button', { name: 'Sign in' }).click();
    mend();
    await signIn(page, 'idp');
    await signOut(page);
    await signIn(page, 'idp:anna');
    await answers(page).getByText('You said: not sent yet').waitFor();
    expect(await composer(page).inputValue()).toBe('half a thought');
  });
});

describe('signing out while a message waits', () => {
  test('asks first, and may be thought better of', async () => {
    const { page } = await shared.open({ user: 'clara' });
    await connected(page);
    shared.portal.create = { status: 503, code: 'unavailable' };
    shared.portal.cut();
    await page.locator('.dot[data-state="retrying"]').waitFor();
    await say(page, 'one that waits');
    await say(page, 'another');
    await signOut(page);
    const ask = page.getByRole('dialog', { name: 'Sign out without sending?' });
    await ask.getByText('2 messages have not been sent yet').waitFor();
    await ask.getByRole('button', { name: 'Cancel' }).click();
    await ask.waitFor({ state: 'detached' });
    mend();
    await answers(page).getByText('You said: another').waitFor();
    expect(await page.locator('.bubble').allInnerTexts()).toEqual(['one that waits', 'another']);
  });

  test('discards it only when told so, and then leaves nothing, whichever the assistant', async () => {
    const { page } = await shared.open({ user: 'dora' });
    await leaveUnsent(page);
    await page.goto(`${shared.portal.url}?instance_id=oc-another`);
    mend();
    await signIn(page, 'dora');
    await signOut(page);
    const ask = page.getByRole('dialog', { name: 'Sign out without sending?' });
    await ask.getByText('One message has not been sent yet').waitFor();
    await ask.getByRole('button', { name: 'Discard and sign out' }).click();
    await page.getByLabel('User name').waitFor();
    expect(await stored(page)).toBe('{}');
  });
});
