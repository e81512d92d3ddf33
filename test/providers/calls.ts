/** What the provider tests share: requests, endpoints, and readers of event streams. */

import type {
  AnswerStream,
  ModelInfo,
  ProviderEndpoint,
  ProviderEvent,
  ProviderMessage,
  ProviderRequest,
} from '../../providers/contract.ts';
import type { ProviderFailure } from '../../providers/errors.ts';

export const SECRET = 'sk-test-5ecre7';

/** Long enough that a healthy stream never meets it, also on a busy machine. */
const PATIENT_MS = 15_000;

/** For tests that wait for silence: real time, but little of it. */
export const IMPATIENT_MS = 60;

export const MODEL: ModelInfo = {
  id: 'test-model',
  input: ['text', 'image'],
  reasoning: true,
  contextWindow: 128_000,
};

export function endpoint(baseUrl: string, more: Partial<ProviderEndpoint> = {}): ProviderEndpoint {
  return {
    id: 'oneapi',
    baseUrl,
    apiKey: SECRET,
    headers: {},
    silenceMs: PATIENT_MS,
    ...more,
  };
}

export function request(more: Partial<ProviderRequest> = {}): ProviderRequest {
  return {
    model: MODEL,
    system: 'Be brief.',
    messages: [user('Hello')],
    tools: [],
    reasoning: 'off',
    signal: new AbortController().signal,
    ...more,
  };
}

export function user(text: string): ProviderMessage {
  return { role: 'user', content: [{ type: 'text', text }] };
}

/** As the gateway takes them: as they come, where the adapter can do that. */
export async function collect(stream: AnswerStream): Promise<ProviderEvent[]> {
  if (!stream.forEach) return iterate(stream);
  const events: ProviderEvent[] = [];
  await stream.forEach((event) => void events.push(event));
  return events;
}

export async function iterate(stream: AsyncIterable<ProviderEvent>): Promise<ProviderEvent[]> {
  const events: ProviderEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

/** Reads until an event of this type has come; the iterator then stands behind it. */
export async function readUntil(
  iterator: AsyncIterator<ProviderEvent>,
  type: ProviderEvent['type'],
): Promise<void> {
  for (;;) {
    const next = await iterator.next();
    if (next.done) throw new Error(`the stream ended before an event of type ${type}`);
    if (next.value.type === type) return;
  }
}

export function textOf(events: readonly ProviderEvent[]): string {
  return events.map((event) => (event.type === 'text' ? event.delta : '')).join('');
}

export function reasoningOf(events: readonly ProviderEvent[]): string {
  return events.map((event) => (event.type === 'reasoning' ? event.delta : '')).join('');
}

export function last(events: readonly ProviderEvent[]): ProviderEvent {
  const event = events.at(-1);
  if (!event) throw new Error('the stream held no event');
  return event;
}

/** The failure that ended the stream. */
export function failureOf(events: readonly ProviderEvent[]): ProviderFailure {
  const event = last(events);
  if (event.type !== 'error') throw new Error(`the stream ended with ${JSON.stringify(event)}`);
  return event.failure;
}

export interface ToolCall {
  id: string;
  name: string;
  arguments: string;
  signature?: string;
}

/** The calls as a consumer puts them together; throws on a call that is not opened or not closed. */
export function toolCallsOf(events: readonly ProviderEvent[]): ToolCall[] {
  const calls: ToolCall[] = [];
  const open = new Map<string, ToolCall>();
  for (const event of events) {
    if (event.type === 'tool_call_start') {
      const { id, name, signature } = event;
      const call = { id, name, arguments: '', ...(signature !== undefined && { signature }) };
      calls.push(call);
      open.set(id, call);
    } else if (event.type === 'tool_call_delta') {
      const call = open.get(event.id);
      if (!call) throw new Error(`arguments for ${event.id}, which is not open`);
      call.arguments += event.delta;
    } else if (event.type === 'tool_call_end' && !open.delete(event.id)) {
      throw new Error(`end of ${event.id}, which is not open`);
    }
  }
  if (open.size > 0) throw new Error('a tool call was left open');
  return calls;
}
