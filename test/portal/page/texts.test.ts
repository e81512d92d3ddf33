/** What the page says is for people who use an assistant, not for those who run it. */

import { expect, test } from 'vitest';
import { en } from '../../../portal/page/text-en.ts';
import { zh } from '../../../portal/page/text-zh.ts';

/** Every sentence, and what functions make of numbers or names. */
function sentences(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value === 'function') return [String(value(2, 3))];
  return Object.values(value ?? {}).flatMap(sentences);
}

/** Names of settings, which only an operator is told to change. */
const SETTINGS = /\b(?:gateway|agents)(?:\.\w+)+/g;

test.each([
  ['English', en, /proxy|gateway|provider|handshake|websocket|upstream/i],
  ['Chinese', zh, /代理|网关|服务商|握手|上游|websocket/i],
])('%s speaks of nothing that only an operator knows', (_, texts, jargon) => {
  const said = sentences(texts).map((each) => each.replaceAll(SETTINGS, ''));
  expect(said.length).toBeGreaterThan(100);
  expect(said.filter((each) => jargon.test(each))).toEqual([]);
});
