/** A conversation in the browser, from the first word to the last key. */

import { describe, expect, test } from 'vitest';
import {
  answer,
  DONE,
  errorEvent,
  events,
  failure,
  finish,
  gate,
  reasoning,
  role,
  says,
  text,
  toolCall,
} from '../../support/upstream/openai.ts';
import { answers, composer, connected, say, scene } from './support/scene.ts';
import { tap } from './support/tap.ts';

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

const shared = scene({ defaults: { reasoningDefault: 'on' } });

describe('an answer', () => {
  test('appears as it comes, and is whole at its end', async () => {
    const hold = gate();
    shared.upstream.when(
      says('stream this'),
      events(
        role(),
        text('One **bold** w'),
        hold.promise,
        text('ord.\n\nTwo.'),
        finish('stop'),
        DONE,
      ),
    );
    const { page } = await shared.open();
    await say(page, 'stream this');
    await page.locator('.live strong', { hasText: 'bold' }).waitFor();
    expect(await page.locator('.live .prose').innerText()).toBe('One bold w');
    hold.open();
    await answers(page).waitFor();
    expect(await answers(page).locator('p').allInnerTexts()).toEqual(['One bold word.', 'Two.']);
    // Told once, when it is finished.
    expect(await page.locator('[aria-live=polite]').innerText()).toContain('One **bold** word.');
  });

  test('is drawn without building again what stands already', async () => {
    const hold = gate();
    shared.upstream.when(
      says('keep nodes'),
      events(role(), text('First.\n\nSecond'), hold.promise, text(' grows.'), finish('stop'), DONE),
    );
    const { page } = await shared.open();
    await say(page, 'keep nodes');
    await page.locator('.live p').nth(1).waitFor();
    await page.evaluate("document.querySelector('.live p').kept = true");
    hold.open();
    await answers(page).getByText('Second grows.').waitFor();
    expect(await page.evaluate("document.querySelector('.answer p').kept")).toBe(true);
    expect(await page.locator('.answer p').allInnerTexts()).toEqual(['First.', 'Second grows.']);
  });

  test('stops with Esc, keeps what was said, and says that it was stopped', async () => {
    const hold = gate();
    shared.upstream.when(says('long one'), events(role(), text('So far'), hold.promise));
    const { page } = await shared.open();
    await say(page, 'long one');
    await page.locator('.live').getByText('So far').waitFor();
    expect(await page.getByRole('button', { name: 'Stop' }).count()).toBe(1);
    await page.keyboard.press('Escape');
    await answers(page).getByText('Stopped').waitFor();
    expect(await answers(page).innerText()).toContain('So far');
    expect(await page.getByRole('button', { name: 'Stop' }).count()).toBe(0);
    hold.open();
  });

  test('shows thoughts and tools folded', async () => {
    shared.upstream.when(
      says('think first'),
      events(role(), reasoning('Let me see.'), text('Done.'), finish('stop'), DONE),
    );
    const { page } = await shared.open();
    await say(page, 'think first');
    await answers(page).getByText('Done.').waitFor();
    const fold = answers(page).locator('details');
    expect(await fold.getByText('Let me see.').isVisible()).toBe(false);
    await fold.locator('summary').click();
    expect(await fold.getByText('Let me see.').isVisible()).toBe(true);
  });

  test('that fails stands in its place with a way to try again', async () => {
    shared.upstream.script(failure(400, 'bad_request'), answer('Now it works'));
    const { page } = await shared.open();
    await say(page, 'break once');
    const failed = page.locator('.failure');
    await failed.getByText('The answer failed').waitFor();
    const told = await failed.innerText();
    await page.reload();
    await failed.getByText('The answer failed').waitFor();
    // In the same words as when it came, and in another tab.
    expect(await failed.innerText()).toBe(told);
    // What the operator has to know is folded away, whether the page saw it fail or not.
    expect(told).not.toMatch(/provider/i);
    await page.getByRole('button', { name: 'Try again' }).click();
    await answers(page).getByText('Now it works').waitFor();
    expect(await page.locator('.failure').count()).toBe(0);
    expect(await page.locator('.bubble').allInnerTexts()).toEqual(['break once']);
  });

  test('that broke off says so below what came of it, over a reload too', async () => {
    shared.upstream.script(
      events(role(), text('Half of the answer'), errorEvent('server_error', 'worker 7 died')),
      answer('All of the answer'),
    );
    const { page } = await shared.open();
    await say(page, 'break in the middle');
    for (const look of [() => undefined, () => page.reload()]) {
      await look();
      const told = page.locator('.failure');
      await told.getByText('The answer broke off').waitFor();
      expect(await told.innerText()).toContain('What came of it stands above.');
      expect(await told.innerText()).not.toMatch(/provider|cannot be reached/i);
      expect(await answers(page).locator('.prose').innerText()).toBe('Half of the answer');
    }
    await page.getByRole('button', { name: 'Try again' }).click();
    await answers(page).getByText('All of the answer').waitFor();
    expect(await page.locator('.failure').count()).toBe(0);
  });

  test('that is asked for again takes the place of the first, which stays a version', async () => {
    const { page } = await shared.open();
    shared.upstream.script(answer('Alpha'), answer('Beta'));
    await say(page, 'again please');
    await answers(page).getByText('Alpha').waitFor();
    await answers(page).getByRole('button', { name: 'New answer' }).click();
    await answers(page).getByText('Beta').waitFor();
    expect(await page.locator('.user').count()).toBe(1);
    expect(await answers(page).getByText('Alpha').count()).toBe(0);
    await page.getByRole('button', { name: '2 versions' }).click();
    await page.getByRole('dialog').locator('.pick-row:not([aria-current])').click();
    await answers(page).getByText('Alpha').waitFor();
    expect(await answers(page).getByText('Beta').count()).toBe(0);
  });
});

describe('a message', () => {
  test('that is edited is answered anew, with what followed it gone from view', async () => {
    const { page } = await shared.open();
    await say(page, 'first words');
    await answers(page).getByText('You said: first words').waitFor();
    await say(page, 'second words');
    await answers(page).getByText('You said: second words').waitFor();
    await page.locator('.user').first().hover();
    await page.getByRole('button', { name: 'Edit' }).first().click();
    await page.getByRole('textbox', { name: 'Edit the message' }).fill('other words');
    await page.keyboard.press('Enter');
    await answers(page).getByText('You said: other words').waitFor();
    expect(await page.locator('.bubble').allInnerTexts()).toEqual(['other words']);
  });

  test('is taken back for editing with the arrow key', async () => {
    const { page } = await shared.open();
    await say(page, 'take me back');
    await answers(page).waitFor();
    await composer(page).press('ArrowUp');
    expect(await page.getByRole('textbox', { name: 'Edit the message' }).inputValue()).toBe(
      'take me back',
    );
    await page.keyboard.press('Escape');
    expect(await page.locator('.bubble').allInnerTexts()).toEqual(['take me back']);
  });

  test('is not sent by the Enter that ends a composition', async () => {
    const { page, context } = await shared.open();
    await connected(page);
    await composer(page).focus();
    const devtools = await context.newCDPSession(page);
    await devtools.send('Input.imeSetComposition', {
      text: 'ni hao',
      selectionStart: 6,
      selectionEnd: 6,
    });
    await devtools.send('Input.dispatchKeyEvent', {
      type: 'rawKeyDown',
      key: 'Enter',
      code: 'Enter',
      windowsVirtualKeyCode: 229,
    });
    await devtools.send('Input.insertText', { text: '你好' });
    expect(await composer(page).inputValue()).toBe('你好');
    expect(await page.locator('.bubble').count()).toBe(0);
    await composer(page).press('Enter');
    await page.locator('.bubble', { hasText: '你好' }).waitFor();
  });

  test('breaks its line with Shift and Enter', async () => {
    const { page } = await shared.open();
    await composer(page).fill('one');
    await composer(page).press('Shift+Enter');
    await composer(page).pressSequentially('two');
    expect(await composer(page).inputValue()).toBe('one\ntwo');
    expect(await page.locator('.bubble').count()).toBe(0);
  });

  test('that is half written survives a reload, for its conversation only', async () => {
    const { page } = await shared.open();
    await say(page, 'hello');
    await answers(page).waitFor();
    await composer(page).fill('half writ');
    await page.reload();
    await connected(page);
    expect(await composer(page).inputValue()).toBe('half writ');
    await page.getByRole('button', { name: 'New conversation' }).click();
    expect(await composer(page).inputValue()).toBe('');
  });

  test('sent while another is answered waits its turn and says so', async () => {
    const hold = gate();
    shared.upstream.when(
      says('busy now'),
      events(role(), text('Wor'), hold.promise, text('king'), finish('stop'), DONE),
    );
    const { page } = await shared.open();
    await say(page, 'busy now');
    await page.locator('.live').getByText('Wor').waitFor();
    await say(page, 'and then');
    await page.locator('.user', { hasText: 'and then' }).getByText('Queued').waitFor();
    await page.getByRole('status').getByText('queued').waitFor();
    hold.open();
    await answers(page).getByText('You said: and then').waitFor();
    expect(await page.locator('.bubble, .answer .prose').allInnerTexts()).toEqual([
      'busy now',
      'Working',
      'and then',
      'You said: and then',
    ]);
  });

  test('may carry an image, and is told when a file is none', async () => {
    const { page } = await shared.open();
    await connected(page);
    const choose = page.locator('input[type=file]');
    await choose.setInputFiles({ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('x') });
    await page.getByText('a.txt is no PNG, JPEG, GIF or WebP image.').waitFor();
    await choose.setInputFiles({ name: 'dot.png', mimeType: 'image/png', buffer: PNG });
    await page.getByRole('img', { name: 'dot.png' }).waitFor();
    await say(page, 'what is this picture');
    await answers(page).waitFor();
    const asked = shared.upstream.requests.find((each) => each.bodyText.includes('this picture'));
    expect(asked?.bodyText).toContain(PNG.toString('base64'));
    await page.locator('.user').getByRole('img', { name: 'dot.png' }).waitFor();
  });

  test('shows its images after a reload too, each fetched once it is seen, and opens them', async () => {
    const { page } = await shared.open();
    await connected(page);
    await page.locator('input[type=file]').setInputFiles([
      { name: 'small.png', mimeType: 'image/png', buffer: PNG },
      // Larger than what is fetched unasked.
      {
        name: 'large.png',
        mimeType: 'image/png',
        buffer: Buffer.concat([PNG, Buffer.alloc(1_100_000)]),
      },
    ]);
    await page.locator('.composer').getByRole('img', { name: 'large.png' }).waitFor();
    await say(page, 'remember these pictures');
    await answers(page).waitFor();
    const asked: string[] = [];
    await tap(
      page,
      ({ method }) => {
        if (method === 'artifacts.download') asked.push(method);
        return false;
      },
      (_, send) => send(),
    );
    await page.reload();
    const small = page.locator('.user').getByRole('img', { name: 'small.png' });
    await small.waitFor();
    const width =
      "document.querySelector('.user img').decode().then(() => document.querySelector('.user img').naturalWidth)";
    expect(await page.evaluate(width)).toBe(1);
    expect(asked.length).toBe(1);
    await page.getByRole('button', { name: 'Image large.png' }).click();
    await page.locator('.user').getByRole('img', { name: 'large.png' }).click();
    await page.getByRole('dialog').getByRole('img', { name: 'large.png' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(asked.length).toBe(2);
  });

  test('may begin a new conversation with all that was said up to its answer', async () => {
    const { page } = await shared.open();
    await say(page, 'the root');
    await answers(page).getByText('You said: the root').waitFor();
    await say(page, 'one way');
    await answers(page).getByText('You said: one way').waitFor();
    await answers(page).first().hover();
    await answers(page)
      .first()
      .getByRole('button', { name: 'Continue from here in a copy' })
      .click();
    await page.locator('.bubble', { hasText: 'one way' }).waitFor({ state: 'detached' });
    await answers(page).getByText('You said: the root').waitFor();
    await say(page, 'another way');
    await answers(page).getByText('You said: another way').waitFor();
    expect(await page.locator('.bubble').allInnerTexts()).toEqual(['the root', 'another way']);
    await page.locator('.session').nth(1).click();
    await answers(page).getByText('You said: one way').waitFor();
    expect(await page.locator('.bubble').allInnerTexts()).toEqual(['the root', 'one way']);
  });
});

test('what a model writes stays text: no script, no frame, no address but web and mail', async () => {
  const payloads = [
    '<img src=x onerror="window.hit=1">',
    '<script>window.hit=1</script>',
    '<svg onload="window.hit=1"><iframe srcdoc="<script>parent.hit=1</script>"></svg>',
    '[a](javascript:window.hit=1) [b](data:text/html,<script>1</script>) [c](vbscript:x)',
    '[d](JaVaScRiPt:window.hit=1) [e](&#106;avascript:window.hit=1) [f](//evil.example/x)',
    '![g](https://evil.example/pixel.png) ![h](javascript:window.hit=1)',
    '```html\n<script>window.hit=1</script>\n```',
    '$\\href{javascript:window.hit=1}{x}$ $\\htmlStyle{color:red}{y}$',
    '| <img src=x onerror=window.hit=1> |\n|---|\n| <b onclick=window.hit=1>z</b> |',
    '[ok](https://good.example/) <https://also.example> me@mail.example',
  ].join('\n\n');
  shared.upstream.when(says('attack'), answer(payloads));
  const { page } = await shared.open();
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  await say(page, 'attack');
  await answers(page).getByRole('link', { name: 'ok' }).waitFor();
  await page.locator('.hl-tag, .hl-name').first().waitFor();
  const found = await page.evaluate(`(() => {
    const root = document.querySelector('.answer');
    const all = (selector) => [...root.querySelectorAll(selector)];
    return {
      hit: window.hit,
      elements: all('script, iframe, img, object, embed, form, style, b').map((e) => e.outerHTML),
      links: all('a').map((a) => a.getAttribute('href')),
      handlers: all('*').flatMap((e) => e.getAttributeNames()).filter((n) => n.startsWith('on')),
      rels: [...new Set(all('a').map((a) => a.rel))],
    };
  })()`);
  expect(found).toEqual({
    hit: undefined,
    elements: [],
    links: [
      'https://evil.example/pixel.png',
      'https://good.example/',
      'https://also.example/',
      'mailto:me@mail.example',
    ],
    handlers: [],
    rels: ['noopener noreferrer'],
  });
  expect(asked.filter((url) => url.includes('evil'))).toEqual([]);
});

test('a tool that the model calls is no reason to break', async () => {
  shared.upstream.when(
    says('use a tool'),
    events(
      role(),
      text('Looking.'),
      toolCall(0, { id: 'call-1', name: 'lookup', args: '{"q":"x"}' }),
      finish('tool_calls'),
      DONE,
    ),
  );
  const { page } = await shared.open();
  await say(page, 'use a tool');
  await answers(page).getByText('Looking.').waitFor();
  expect(await answers(page).count()).toBe(1);
});
