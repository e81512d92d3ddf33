/**
 * The page's main states in a real browser: none with a fault that axe-core finds, none that complains in its
 * console. With OC_SCREENSHOTS=<folder> in the environment each state is also photographed.
 */

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';
import {
  answers,
  ask,
  connected,
  finished,
  type OpenOptions,
  openPage,
  told,
} from '../support/browser.ts';
import { chainScene } from '../support/chain-scene.ts';
import { answer, events, failure, gate, role, says, text } from '../support/upstream/openai.ts';

const scene = chainScene();
let axe: string;

beforeAll(async () => {
  const path = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
  axe = await readFile(path, 'utf8');
  const { upstream } = scene.chain;
  upstream.when(says('Compare'), answer(COMPARISON));
  upstream.when(says('京都'), answer(KYOTO));
  upstream.when(says('fail'), failure(400, 'bad_request'));
  upstream.when(
    says('reconnect'),
    events(role(), text(COMPARISON.slice(0, COMPARISON.indexOf('  open();'))), gate().promise),
  );
});

const COMPARISON = `There are three ways to bring news to a page, and each has its price. In short: **WebSockets** win when both sides speak, \`EventSource\` when only the server does.

| Transport | Direction | Reconnects | Overhead |
|---|---|---|---:|
| Polling | client asks | – | 600–900 bytes |
| Server-sent events | server only | by itself | 20 bytes |
| WebSocket | both | by hand | 2–14 bytes |

A small client that comes back by itself:

\`\`\`typescript
export function connect(url: string, onMessage: (data: unknown) => void) {
  let closed = false; // set by the caller
  const open = () => {
    const socket = new WebSocket(url);
    socket.addEventListener('message', ({ data }) => onMessage(JSON.parse(data)));
    socket.addEventListener('close', () => closed || setTimeout(open, 1_000));
  };
  open();
  return () => { closed = true; };
}
\`\`\`

1. Open the connection, and *wait for the hello*.
2. Count the frames: a gap means that something was lost.
3. After a loss, load the history again.`;

const KYOTO = `清晨的京都最安静。建议从**伏见稻荷大社**开始，沿着千本鸟居往上走，大约两个小时可以往返。

1. 上午：伏见稻荷 → 东福寺
2. 中午：在锦市场吃午饭
3. 下午：清水寺，然后步行到祇园

| 地点 | 时间 | 门票 |
|---|---|---:|
| 伏见稻荷大社 | 07:00 | 免费 |
| 清水寺 | 14:00 | ¥500 |

> 记得带一双舒服的鞋。`;

/** Shows a whole answer at once. */
const TALL = { width: 1280, height: 1040 };

/** What axe-core finds, and the photograph if one is wanted. */
async function look(page: Page, name: string): Promise<string[]> {
  await page.mouse.move(640, 300);
  // Fades and slides have an end; what is in the middle of one has colours of its own.
  await page.evaluate(
    'Promise.allSettled(document.getAnimations().filter((each) => each.effect.getTiming().iterations === 1).map((each) => each.finished))',
  );
  const folder = process.env['OC_SCREENSHOTS'];
  if (folder) await page.screenshot({ path: join(folder, `${name}.png`), scale: 'css' });
  await page.evaluate(axe);
  return page.evaluate(
    `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))`,
  );
}

/** Ready to talk, with a conversation of its own. */
async function talk(options: OpenOptions = {}) {
  const opened = await openPage(scene.browser, scene.chain, { user: 'alice', ...options });
  await connected(opened.page);
  return opened;
}

test('sign-in', async () => {
  const { page, complaints } = await openPage(scene.browser, scene.chain);
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  expect(await look(page, 'sign-in')).toEqual([]);
  expect(complaints).toEqual([]);
});

test('a new conversation, an answer under way, the answer as a whole', async () => {
  const { page, complaints } = await talk({ user: 'bob' });
  await page.getByRole('heading', { name: 'What can Mika do for you?' }).waitFor();
  expect(await look(page, 'empty')).toEqual([]);

  await page.setViewportSize(TALL);
  await ask(page, 'Compare polling, server-sent events and WebSockets for me');
  await finished(page).getByText('load the history again').waitFor();
  await page.locator('.answer pre span').first().waitFor();
  expect(await look(page, 'finished')).toEqual([]);

  await page.getByRole('button', { name: 'New conversation' }).click();
  await ask(page, 'How does a page reconnect by itself?');
  await answers(page).getByText('A small client').waitFor();
  await answers(page).getByText('setTimeout').waitFor();
  expect(await look(page, 'streaming')).toEqual([]);
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByText('Stopped').waitFor();
  expect(await look(page, 'stopped')).toEqual([]);
  expect(complaints).toEqual([]);
});

test('dark', async () => {
  const { page } = await talk({ dark: true });
  await page.setViewportSize(TALL);
  await page.getByRole('button', { name: 'New conversation' }).click();
  await ask(page, 'Compare the three transports');
  await finished(page).getByText('load the history again').waitFor();
  await page.locator('.answer pre span').first().waitFor();
  expect(await look(page, 'dark')).toEqual([]);
});

test('an answer that failed, on a telephone in the dark', async () => {
  const { page } = await talk({ dark: true, phone: true });
  await page.getByRole('button', { name: 'Open conversations' }).click();
  await page.getByRole('button', { name: 'New conversation' }).click();
  await ask(page, 'Please fail for once');
  await page.locator('.failure').waitFor();
  expect(await look(page, 'phone-failed')).toEqual([]);
});

test('Chinese, on a telephone', async () => {
  const { page } = await talk({ locale: 'zh-CN', phone: true });
  await page.getByRole('button', { name: '打开对话列表' }).click();
  await page.getByRole('button', { name: '新对话' }).click();
  await page.getByRole('textbox', { name: '消息', exact: true }).fill('帮我安排京都一日游');
  await page.getByRole('button', { name: '发送' }).click();
  await finished(page).getByText('记得带一双舒服的鞋').waitFor();
  expect(await look(page, 'phone-chinese')).toEqual([]);
  await page.getByRole('button', { name: '打开对话列表' }).click();
  await page.locator('.rail.open').waitFor();
  expect(await look(page, 'phone-rail')).toEqual([]);
});

test('the gateway is away', async () => {
  const { page } = await talk();
  await page.setViewportSize(TALL);
  await page.getByRole('button', { name: 'New conversation' }).click();
  await ask(page, 'Compare them once more');
  await finished(page).getByText('load the history again').waitFor();
  await scene.chain.gateway.kill();
  expect(await told(page, 'The assistant cannot be reached at the moment.')).toBe('retrying');
  expect(await look(page, 'retrying')).toEqual([]);
});
