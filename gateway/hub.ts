/**
 * Who receives what. Sockets gather in audiences, one per principal, and a frame for an audience is
 * serialised once. All deltas of a run that arrive within one turn of the event loop leave as one
 * frame; a reader that cannot keep up gets what it missed as one merged delta when it can again.
 */

import type { Principal } from '../agents/principal.ts';
import type { LiveRun, RunListener } from '../agents/run.ts';
import type { MessageRecord, SessionRecord } from '../agents/sessions/store.ts';
import { cutText } from './rows.ts';
import * as turn from './turn-events.ts';

/** What the hub needs of a connection. `send*` never throw; a socket that is gone swallows them. */
export interface Subscriber {
  readonly principal: Principal;
  /** Wants `agent` events (capability `tool-events`). */
  readonly wantsAgentEvents: boolean;
  /** The system still holds bytes that it could not hand to the network: deltas wait. */
  readonly congested: boolean;
  readonly watchesSessions: boolean;
  watchesMessages(sessionKey: string): boolean;
  /** `body` is an event frame up to its `seq`; `isShared` if others get the same one before or after. */
  sendEvent(body: string, isShared?: boolean): void;
}

export interface Hub {
  readonly listener: RunListener;
  join(subscriber: Subscriber): void;
  leave(subscriber: Subscriber): void;
  /** The socket's buffer is empty again: it gets the deltas that it missed. */
  drained(subscriber: Subscriber): void;
  /**
   * Sends what is pending of this run now, and to this reader all that it missed, so that a snapshot
   * of the run's text continues what it was sent, without gap or double.
   */
  flush(run: LiveRun, reader: Subscriber): void;
  /** To every socket of the principal. */
  broadcast(principal: Principal, body: string): void;
  sessionChanged(
    principal: Principal,
    sessionKey: string,
    reason: string,
    session?: SessionRecord,
  ): void;
  messageAdded(principal: Principal, sessionKey: string, body: () => string): void;
  readonly subscribers: ReadonlySet<Subscriber>;
  /** To everybody who is here, and to those who come later as the first event; a body for each of them. */
  farewell(body: () => string): void;
  /** What a newcomer gets as the first event, once there was a farewell. */
  lastWords(): string | undefined;
}

/** One frame to a reader that catches up: what it cannot take of the rest waits here and not in its buffer. */
const MAX_CATCH_UP_CHARS = 256 * 1024;

type Audience = Set<Subscriber>;

/** Delivery of one run. Lengths count UTF-16 units of the answer's visible text. */
interface Channel {
  readonly run: LiveRun;
  readonly events: turn.TurnEvents;
  pending: string;
  /** Units that have left, or that congested readers are owed. */
  sent: number;
}

export interface HubOptions {
  now: () => number;
  /** Runs `flush` at the end of this turn of the event loop. */
  defer?: (flush: () => void) => void;
  sessionChangedBody: (
    principal: Principal,
    sessionKey: string,
    reason: string,
    session?: SessionRecord,
  ) => string;
  messageBody: (run: LiveRun, message: MessageRecord) => string;
}

export function createHub(options: HubOptions): Hub {
  const audiences = new Map<string, Map<string, Audience>>();
  const subscribers = new Set<Subscriber>();
  const channels = new Map<LiveRun, Channel>();
  /** Readers that are behind, and up to which unit each has read of what. Empty in ordinary times. */
  const behind = new Map<Subscriber, Map<Channel, number>>();
  let lastWords: (() => string) | undefined;
  const defer = options.defer ?? setImmediate;
  let dirty: Channel[] = [];

  const audience = (principal: Principal): Audience | undefined =>
    audiences.get(principal.userId)?.get(principal.instanceId);

  function broadcast(principal: Principal, body: string): void {
    const readers = audience(principal);
    if (!readers) return;
    for (const reader of readers) reader.sendEvent(body, readers.size > 1);
  }

  function toAgentListeners(principal: Principal, body: () => string): void {
    let once: string | undefined;
    for (const subscriber of audience(principal) ?? []) {
      if (subscriber.wantsAgentEvents) subscriber.sendEvent((once ??= body()));
    }
  }

  function flushDirty(): void {
    const now = dirty;
    dirty = [];
    for (const channel of now) flushChannel(channel);
  }

  function flushChannel(channel: Channel): void {
    const text = channel.pending;
    if (text === '') return;
    channel.pending = '';
    const from = channel.sent;
    channel.sent += text.length;
    const readers = audience(channel.run.principal);
    if (!readers) return;
    const chat = channel.events.delta(text);
    let agent: string | undefined;
    for (const reader of readers) {
      if (behind.size > 0 && behind.get(reader)?.has(channel)) continue;
      if (reader.congested) {
        owe(reader, channel, from);
        continue;
      }
      reader.sendEvent(chat, readers.size > 1);
      if (reader.wantsAgentEvents) reader.sendEvent((agent ??= channel.events.assistant(text)));
    }
  }

  function owe(reader: Subscriber, channel: Channel, from: number): void {
    let owed = behind.get(reader);
    if (!owed) behind.set(reader, (owed = new Map()));
    owed.set(channel, from);
  }

  /** Sends what the reader missed: all of it, or piece by piece for as long as it keeps up. */
  function catchUp(channel: Channel, reader: Subscriber, amount: 'all' | 'what it takes'): void {
    const owed = behind.get(reader);
    let from = owed?.get(channel);
    if (owed === undefined || from === undefined) return;
    const text = channel.run.answer.text();
    const most = amount === 'all' ? channel.sent : MAX_CATCH_UP_CHARS;
    while (from < channel.sent) {
      if (reader.congested && amount !== 'all') return;
      const missed = cutText(text.slice(from, channel.sent), most);
      from += missed.length;
      owed.set(channel, from);
      reader.sendEvent(channel.events.delta(missed));
      if (reader.wantsAgentEvents) reader.sendEvent(channel.events.assistant(missed));
    }
    owed.delete(channel);
    if (owed.size === 0) behind.delete(reader);
  }

  function catchUpAll(channel: Channel): void {
    if (behind.size === 0) return;
    for (const reader of audience(channel.run.principal) ?? []) {
      catchUp(channel, reader, 'all');
    }
  }

  function open(run: LiveRun): Channel {
    const channel: Channel = {
      run,
      events: turn.turnEvents(run, options.now),
      pending: '',
      sent: 0,
    };
    channels.set(run, channel);
    return channel;
  }

  function sessionChanged(
    principal: Principal,
    sessionKey: string,
    reason: string,
    session?: SessionRecord,
  ): void {
    let body: string | undefined;
    for (const subscriber of audience(principal) ?? []) {
      if (!subscriber.watchesSessions) continue;
      body ??= options.sessionChangedBody(principal, sessionKey, reason, session);
      subscriber.sendEvent(body);
    }
  }

  function messageAdded(principal: Principal, sessionKey: string, make: () => string): void {
    let body: string | undefined;
    for (const subscriber of audience(principal) ?? []) {
      if (subscriber.watchesMessages(sessionKey)) subscriber.sendEvent((body ??= make()));
    }
  }

  const listener: RunListener = {
    started(run) {
      const { events } = open(run);
      broadcast(run.principal, events.status('starting_model'));
      toAgentListeners(run.principal, () => events.lifecycleStart());
      sessionChanged(run.principal, run.record.sessionKey, 'run-start');
    },

    delta(run, text) {
      const channel = channels.get(run) ?? open(run);
      if (channel.pending === '') {
        if (dirty.length === 0) defer(flushDirty);
        dirty.push(channel);
      }
      channel.pending += text;
    },

    reasoning(run, text) {
      const { events } = channels.get(run) ?? open(run);
      toAgentListeners(run.principal, () => events.thinking(text));
    },

    ended(run, end) {
      const channel = channels.get(run) ?? open(run);
      flushChannel(channel);
      catchUpAll(channel);
      channels.delete(run);
      broadcast(run.principal, channel.events.end(end));
      toAgentListeners(run.principal, () => channel.events.usage(end));
      toAgentListeners(run.principal, () => channel.events.assistantWhole());
      toAgentListeners(run.principal, () => channel.events.lifecycleEnd(end));
      const { message } = end;
      if (message) {
        // Most of the time nobody watches: a long answer is not serialised once more for that.
        const body = () => options.messageBody(run, message);
        messageAdded(run.principal, run.record.sessionKey, body);
      }
      sessionChanged(run.principal, run.record.sessionKey, 'run-end');
    },
  };

  return {
    listener,
    subscribers,
    lastWords: () => lastWords?.(),
    farewell(body) {
      lastWords = body;
      for (const subscriber of subscribers) subscriber.sendEvent(body());
    },
    broadcast,
    sessionChanged,
    messageAdded,

    join(subscriber) {
      subscribers.add(subscriber);
      const { userId, instanceId } = subscriber.principal;
      let instances = audiences.get(userId);
      if (!instances) audiences.set(userId, (instances = new Map()));
      let readers = instances.get(instanceId);
      if (!readers) instances.set(instanceId, (readers = new Set()));
      readers.add(subscriber);
    },

    leave(subscriber) {
      subscribers.delete(subscriber);
      behind.delete(subscriber);
      const { userId, instanceId } = subscriber.principal;
      const instances = audiences.get(userId);
      const readers = instances?.get(instanceId);
      readers?.delete(subscriber);
      if (readers?.size === 0) instances?.delete(instanceId);
      if (instances?.size === 0) audiences.delete(userId);
    },

    drained(subscriber) {
      // A map's iterator goes on rightly when the entry that it stands at is removed.
      for (const channel of behind.get(subscriber)?.keys() ?? []) {
        if (subscriber.congested) return;
        catchUp(channel, subscriber, 'what it takes');
      }
    },

    flush(run, reader) {
      const channel = channels.get(run);
      if (!channel) return;
      flushChannel(channel);
      catchUp(channel, reader, 'all');
    },
  };
}
