/**
 * The built-in demonstration: no network and no model, but everything else as in earnest. It says
 * what it is, echoes what was asked, and tells how to connect a real model.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type {
  AdapterFactory,
  ProviderAdapter,
  ProviderEndpoint,
  ProviderEvent,
  ProviderRequest,
  Usage,
} from './contract.ts';
import { failure } from './failures.ts';

/** A pace that reads well: about 40 tokens a second. */
const TOKEN_MS = 25;

/** Longer questions are echoed in part. In graphemes, so that no character is cut. */
const ECHO_LIMIT = 280;

/** Waits `ms` milliseconds; rejects at once when the signal aborts. */
export type Pace = (ms: number, signal: AbortSignal) => Promise<unknown>;

const realTime: Pace = (ms, signal) => delay(ms, undefined, { signal });

export const createAdapter: AdapterFactory = (endpoint) => createDemo(endpoint, realTime);

/** The demonstration at a pace of one's own. */
export function createDemo(endpoint: ProviderEndpoint, pace: Pace): ProviderAdapter {
  return async function* demo(request: ProviderRequest): AsyncGenerator<ProviderEvent, undefined> {
    const tokens = tokenize(reply(lastQuestion(request)));
    let sent = 0;
    let stopped = request.signal.aborted;
    if (!stopped) yield { type: 'start', model: request.model.id };
    for (const delta of tokens) {
      try {
        request.signal.throwIfAborted();
        await pace(TOKEN_MS, request.signal);
      } catch {
        stopped = true;
      }
      if (stopped) break;
      yield { type: 'text', delta };
      sent += 1;
    }
    if (sent > 0) yield { type: 'usage', usage: usageOf(request, sent) };
    if (stopped) yield { type: 'error', failure: failure(endpoint, request.model, 'aborted') };
    else yield { type: 'done', stopReason: 'stop' };
  };
}

function lastQuestion(request: ProviderRequest): string {
  const asked = request.messages.findLast((message) => message.role === 'user');
  if (asked?.role !== 'user') return '';
  return asked.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
}

function reply(question: string): string {
  const quoted = shorten(question.trim())
    .split(/\r?\n/)
    .map((line) => `> ${line}`)
    .join('\n');
  return [
    '**This is a demonstration.** No language model is connected yet, so I can only repeat what you said:',
    quoted,
    'Everything else is real: your message is stored, this answer is streamed word by word, and you can stop it at any time.',
    'To connect a model, do one of these and start again:',
    '- set `ONE_API_BASE_URL` and `ONE_API_KEY` in the environment, or\n- name a provider in `models.providers` and one of its models in `agents.defaults.model` of `openclaw.json`.',
  ].join('\n\n');
}

function shorten(text: string): string {
  const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text);
  let kept = '';
  let count = 0;
  for (const { segment } of graphemes) {
    if (count === ECHO_LIMIT) return `${kept.toWellFormed()} …`;
    kept += segment;
    count += 1;
  }
  return kept.toWellFormed();
}

/** Words with the space that follows them, also in scripts that write none. */
function tokenize(text: string): string[] {
  const words = new Intl.Segmenter(undefined, { granularity: 'word' }).segment(text);
  const tokens: string[] = [];
  for (const { segment, isWordLike } of words) {
    if (isWordLike || tokens.length === 0) tokens.push(segment);
    else tokens[tokens.length - 1] += segment;
  }
  return tokens;
}

/** A rough count, so that the numbers on a page move: four characters a token, as for English. */
function usageOf(request: ProviderRequest, output: number): Usage {
  let characters = request.system.length;
  for (const { content } of request.messages) {
    for (const block of content) characters += 'text' in block ? block.text.length : 0;
  }
  const input = Math.ceil(characters / 4);
  return { input, output, cacheRead: 0, cacheWrite: 0, total: input + output };
}
