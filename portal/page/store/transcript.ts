/** One conversation as far as it is loaded, and the answers that are under way in it. */

import { batch, type ReadonlySignal, type Signal, signal } from '@preact/signals';
import { type PerFrame, perFrame } from '../frame.ts';
import {
  createMarkdownStream,
  keepStreamed,
  type MarkdownStream,
  type ParsedText,
} from '../markdown/blocks.ts';
import { type Message, readMessage, type Timing } from '../messages.ts';
import { count, type Fields, fields, isFields, list, text } from '../wire.ts';

/** An answer under way. Painted once per frame. */
export interface Live {
  readonly runId: string;
  readonly startedAt: number;
  readonly parsed: ReadonlySignal<ParsedText>;
  readonly thinking: ReadonlySignal<string>;
  /** Milliseconds until the first text; undefined before. */
  readonly firstTextMs: ReadonlySignal<number | undefined>;
}

interface LiveInside extends Live {
  readonly parsed: Signal<ParsedText>;
  readonly thinking: Signal<string>;
  readonly firstTextMs: Signal<number | undefined>;
  readonly stream: MarkdownStream;
  thought: string;
  readonly paint: PerFrame;
}

export interface Transcript {
  readonly key: string;
  readonly messages: ReadonlySignal<readonly Message[]>;
  readonly lives: ReadonlySignal<readonly Live[]>;
  /** `cached`: shown from this device until the gateway's word is there. */
  readonly loaded: ReadonlySignal<'no' | 'cached' | 'yes'>;
  /** Offset of the page before the first message that is loaded. */
  readonly nextOffset: ReadonlySignal<number | undefined>;
  /** It was begun just now: there is nothing to load. */
  begin(): void;
  showCached(messages: readonly Message[]): void;
  /** The newest page: replaces what is there, except older messages that it continues. */
  load(page: Fields): void;
  prepend(page: Fields): void;
  /** A message that arrived; one of the same run and role is replaced. */
  merge(message: Message): void;
  /** The same for a row as the gateway sends it. */
  mergeRow(row: unknown): void;
  /** An event `chat` or `agent` of this conversation. Tells the message that a run ended with. */
  event(name: string, payload: Fields): Message | undefined;
  /** A message was accepted: its answer is to come. */
  expect(runId: string): void;
  /** The conversation moved back to before this message. */
  cutBefore(messageId: string): void;
  /** The socket is gone: what follows comes with the next page. */
  disconnected(): void;
}

export function createTranscript(key: string): Transcript {
  const messages = signal<readonly Message[]>([]);
  const lives = signal<readonly LiveInside[]>([]);
  const loaded = signal<'no' | 'cached' | 'yes'>('no');
  const nextOffset = signal<number | undefined>(undefined);
  /** Deltas mean something only after a page told where they continue. */
  let inStep = false;

  const merge = (message: Message) => {
    messages.value = insert(messages.value, message);
  };
  const live = (runId: string): LiveInside => {
    const known = lives.value.find((each) => each.runId === runId);
    if (known) return known;
    const made = createLive(runId, '', Date.now());
    lives.value = [...lives.value, made];
    return made;
  };
  const drop = (runId: string) => {
    lives.value = lives.value.filter((each) => each.runId !== runId);
  };

  const finish = (state: string, runId: string, payload: Fields): Message => {
    const under = lives.value.find((each) => each.runId === runId);
    const partial = under?.stream.text() ?? '';
    if (under) keepStreamed(under.stream);
    const sent = readMessage(payload['message']);
    const base = sent ?? unsentAnswer(messages.value, runId, partial);
    const message: Message =
      state === 'error'
        ? {
            ...base,
            runId,
            state: 'error',
            error: text(payload['errorMessage']) ?? base.error,
            errorKind: text(fields(payload['errorDetail'])['failoverReason']),
          }
        : {
            ...base,
            runId,
            state: state === 'aborted' ? 'aborted' : base.state,
            timing: under && timingOf(under),
          };
    batch(() => {
      drop(runId);
      merge(message);
    });
    return message;
  };

  return {
    key,
    messages,
    lives,
    loaded,
    nextOffset,
    merge,
    mergeRow(row) {
      const message = readMessage(row);
      if (message) merge(message);
    },
    begin() {
      loaded.value = 'yes';
      inStep = true;
    },
    showCached(cached) {
      if (loaded.value !== 'no') return;
      batch(() => {
        messages.value = cached;
        loaded.value = 'cached';
      });
    },
    load(page) {
      const newest = readPage(page);
      const kept = olderThan(
        messages.value,
        newest,
        loaded.value === 'yes' && page['hasMore'] === true,
      );
      batch(() => {
        messages.value = [...kept, ...newest];
        nextOffset.value = offsetBefore(kept.length, page, nextOffset.value);
        lives.value = inFlight(page, lives.value);
        loaded.value = 'yes';
      });
      inStep = true;
    },
    prepend(page) {
      const older = readPage(page);
      const known = new Set(messages.value.map((each) => each.id));
      batch(() => {
        messages.value = [...older.filter((each) => !known.has(each.id)), ...messages.value];
        nextOffset.value = count(page['nextOffset']);
      });
    },
    event(name, payload) {
      if (!inStep) return undefined;
      if (name === 'agent') {
        const data = fields(payload['data']);
        const runId = text(payload['runId']) ?? '';
        if (payload['stream'] === 'thinking') think(live(runId), text(data['delta']) ?? '');
        return undefined;
      }
      const runId = text(payload['runId']) ?? '';
      const state = text(payload['state']);
      switch (state) {
        case 'status':
          live(runId);
          return undefined;
        case 'delta':
          grow(live(runId), text(payload['deltaText']) ?? '');
          return undefined;
        case 'final':
        case 'aborted':
        case 'error':
          return finish(state, runId, payload);
        case undefined:
        default:
          return undefined;
      }
    },
    expect(runId) {
      // Behind another answer it waits; the gateway tells when its turn comes.
      const answered = messages.value.some(
        (each) => each.role === 'assistant' && each.runId === runId,
      );
      if (inStep && !answered && lives.value.length === 0) live(runId);
    },
    cutBefore(messageId) {
      const at = messages.value.findIndex((each) => each.id === messageId);
      if (at >= 0) messages.value = messages.value.slice(0, at);
    },
    disconnected() {
      inStep = false;
    },
  };
}

function createLive(runId: string, initial: string, startedAt: number): LiveInside {
  const stream = createMarkdownStream(initial);
  const parsed = signal(stream.read());
  const thinking = signal('');
  const made: LiveInside = {
    runId,
    startedAt,
    parsed,
    thinking,
    firstTextMs: signal(undefined),
    stream,
    thought: '',
    paint: perFrame(() => {
      batch(() => {
        parsed.value = stream.read();
        thinking.value = made.thought;
      });
    }),
  };
  return made;
}

function timingOf(live: LiveInside): Timing | undefined {
  const firstTextMs = live.firstTextMs.value;
  return firstTextMs === undefined || Number.isNaN(firstTextMs)
    ? undefined
    : { firstTextMs, totalMs: Date.now() - live.startedAt };
}

function grow(live: LiveInside, delta: string): void {
  live.firstTextMs.value ??= Date.now() - live.startedAt;
  live.stream.append(delta);
  live.paint.request();
}

function think(live: LiveInside, delta: string): void {
  live.thought += delta;
  live.paint.request();
}

/** The run that the page says is under way; what else was live has ended meanwhile. */
function inFlight(page: Fields, before: readonly LiveInside[]): readonly LiveInside[] {
  const run = page['inFlightRun'];
  if (!isFields(run)) return [];
  const runId = text(run['runId']) ?? '';
  const known = before.find((each) => each.runId === runId);
  const made = createLive(runId, text(run['text']) ?? '', count(run['startedAt']) ?? Date.now());
  // Of an answer that began unseen, the first word's time is not known.
  made.firstTextMs.value = known?.firstTextMs.value ?? Number.NaN;
  if (known) {
    made.thought = known.thought;
    made.thinking.value = known.thought;
  }
  return [made];
}

/**
 * Offsets count from the newest end, which has moved if the conversation went back or grew: the old
 * one would leave a hole.
 */
function offsetBefore(kept: number, page: Fields, old: number | undefined): number | undefined {
  const next = count(page['nextOffset']);
  if (kept === 0) return next;
  return old === undefined || next === undefined ? undefined : next + kept;
}

function readPage(page: Fields): Message[] {
  return list(page['messages']).flatMap((row) => readMessage(row) ?? []);
}

/** Loaded messages before the newest page, if that page joins on to them without a hole. */
function olderThan(
  old: readonly Message[],
  newest: readonly Message[],
  joins: boolean,
): readonly Message[] {
  const [first] = newest;
  if (!joins || !first) return [];
  const at = old.findIndex((each) => each.id === first.id);
  return at < 0 ? [] : old.slice(0, at);
}

function insert(messages: readonly Message[], message: Message): readonly Message[] {
  const at = messages.findIndex((each) => isSame(each, message));
  const known = messages[at];
  if (known) {
    // An acknowledgement knows less than the row that may have come before it.
    if (message.id === '' && known.id !== '') return messages;
    // What only this page knows outlasts the gateway's row.
    return messages.with(at, {
      ...message,
      errorKind: message.errorKind ?? known.errorKind,
      timing: message.timing ?? known.timing,
    });
  }
  const after = messages.findLastIndex((each) => each.seq <= message.seq);
  return messages.toSpliced(after + 1, 0, message);
}

function isSame(a: Message, b: Message): boolean {
  if (a.id !== '' && a.id === b.id) return true;
  return a.runId !== undefined && a.runId === b.runId && a.role === b.role;
}

/** An answer that ended without a row of its own stands behind its question. */
function unsentAnswer(messages: readonly Message[], runId: string, said: string): Message {
  const question = messages.find((each) => each.runId === runId && each.role === 'user');
  return {
    id: '',
    seq: (question?.seq ?? messages.at(-1)?.seq ?? 0) + 0.5,
    role: 'assistant',
    runId,
    parts: said === '' ? [] : [{ type: 'text', text: said }],
    timestamp: Date.now(),
    state: 'complete',
    error: undefined,
    errorKind: undefined,
    truncated: false,
    outputTokens: undefined,
    timing: undefined,
  };
}
