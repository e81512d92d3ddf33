/**
 * The workers of one gateway, as their supervisor sees them: it starts them, starts those that died again, and gives
 * what the dead have left to one that lives. A worker is dead when the system says so and not before, so
 * that no two processes ever serve one principal.
 */

import type { ChildProcess } from 'node:child_process';
import { LEFT_OVER } from '../../agents/sessions/leases.ts';
import type { Logger } from '../log.ts';
import {
  type Assignment,
  type FromWorker,
  isMessage,
  type Question,
  type Reply,
  type ToWorker,
} from './messages.ts';

export interface CrewOptions {
  size: number;
  /** Of the first worker; the others follow. 0: each picks a free one, and keeps it. */
  port: number;
  /** A new process that waits for its assignment. */
  spawn: () => ChildProcess;
  /** What each is told, beside its number, its place and its port; read at each start. */
  assignment: () => Omit<Assignment, 'worker' | 'owner' | 'port'>;
  /** There are sessions that nobody may serve before a worker has inherited them. */
  hasLeftOver: boolean;
  log: Logger;
}

export interface Crew {
  /** Resolves with their ports when all listen; rejects if one of them cannot. */
  start(): Promise<readonly number[]>;
  tell(message: ToWorker): void;
  /** Asks all that serve and adds up what they say. One that dies meanwhile has nothing to add. */
  ask(question: Question): Promise<Reply>;
  /** Asks those, too, that begin to serve before `end` is called. */
  askUntil(question: Question): { asked: Promise<Reply>; end: () => void };
  /** Asks all to stop, and starts nobody again. Resolves when all have ended; who hangs is killed. */
  stop(signal: NodeJS.Signals): Promise<void>;
}

/** The first new start comes soon; after each that did not last, the next takes twice as long, up to the longest. */
const SHORTEST_MS = 100;
const LONGEST_MS = 10_000;

/** Who has served for so long has not died of its start. */
const LASTED_MS = 30_000;

/** Between two pings, and how many in a row without an answer mean that a worker hangs. Counted, for a pause of the machine is no sign. */
const PING_MS = 5_000;
const MAX_UNANSWERED = 6;

interface Place {
  readonly worker: number;
  port: number;
  owner: number;
  process: ChildProcess | undefined;
  /** When it began to serve, in milliseconds of the system's clock; nothing while it does not. */
  servesSince: number | undefined;
  /** It has been asked to stop, by whomever. */
  isStopping: boolean;
  /** Deaths in a row, each soon after the start. */
  failures: number;
  /** Pings in a row. */
  unanswered: number;
  restart: NodeJS.Timeout | undefined;
}

interface Asked {
  readonly place: Place;
  settle(reply: Reply): void;
}

const NOTHING: Reply = { sockets: 0, users: 0 };

export function createCrew(options: CrewOptions): Crew {
  const { log } = options;
  const places = Array.from(
    { length: options.size },
    (_, worker): Place => ({
      worker,
      port: options.port === 0 ? 0 : options.port + worker,
      owner: 0,
      process: undefined,
      servesSince: undefined,
      isStopping: false,
      failures: 0,
      unanswered: 0,
      restart: undefined,
    }),
  );
  /** Owners that are dead and have no heir. */
  const dead = new Set<number>(options.hasLeftOver ? [LEFT_OVER] : []);
  const asked = new Map<number, Asked>();
  const standing = new Set<Question>();
  const started = Promise.withResolvers<readonly number[]>();
  const ended = Promise.withResolvers<void>();
  let heir: Place | undefined;
  let lastOwner = LEFT_OVER;
  let lastQuestion = 0;
  let isStarting = true;
  let isStopping = false;

  const pings = setInterval(() => {
    for (const place of places) if (place.servesSince !== undefined) ping(place);
  }, PING_MS).unref();

  /** Nobody else may serve the users of one that hangs, so it has to die. */
  function ping(place: Place): void {
    if (place.unanswered >= MAX_UNANSWERED) {
      log.error({ event: 'worker_hangs', worker: place.worker });
      place.process?.kill('SIGKILL');
      return;
    }
    place.unanswered += 1;
    send(place, { type: 'ping' });
  }

  function open(place: Place): void {
    place.restart = undefined;
    const child = tryToSpawn(place);
    if (!child) return failed(place);
    const owner = ++lastOwner;
    Object.assign(place, { process: child, owner, unanswered: 0, isStopping: false });
    child.on('message', (message) => {
      if (isMessage<FromWorker>(message)) heard(place, message);
    });
    child.on('error', (err) => {
      log.error({ event: 'worker_trouble', worker: place.worker, err });
      // What could not be started does not exit.
      if (child.pid === undefined) gone(place, child, {});
    });
    child.once('exit', (code, signal) => gone(place, child, { code, signal }));
    const { worker, port } = place;
    send(place, { type: 'start', assignment: { ...options.assignment(), worker, owner, port } });
  }

  /** For want of memory Node throws what else it tells by an event. */
  function tryToSpawn({ worker }: Place): ChildProcess | undefined {
    try {
      return options.spawn();
    } catch (err) {
      log.error({ event: 'worker_trouble', worker, err });
      return undefined;
    }
  }

  function send({ process }: Place, message: ToWorker): void {
    // One that has just died is told in vain; its exit follows.
    if (process?.connected) process.send(message, () => {});
  }

  function heard(place: Place, message: FromWorker): void {
    switch (message.type) {
      case 'ready':
        return serves(place, message.port);
      case 'failed':
        log.error({ event: 'worker_failed', worker: place.worker, message: message.message });
        if (isStarting) started.reject(new Error(message.message));
        return;
      case 'inherited':
        for (const owner of message.owners) dead.delete(owner);
        heir = undefined;
        return bequeath();
      case 'stopping':
        place.isStopping = true;
        return;
      case 'reply':
        return asked.get(message.id)?.settle(message.reply);
      case 'pong':
        place.unanswered = 0;
        return;
      case 'sessionRemoved':
        for (const other of places) if (other !== place) send(other, message);
    }
  }

  function serves(place: Place, port: number): void {
    place.port = port;
    place.servesSince = performance.now();
    for (const question of standing) void put(place, question);
    bequeath();
    if (!isStarting || places.some((each) => each.servesSince === undefined)) return;
    isStarting = false;
    started.resolve(places.map((each) => each.port));
  }

  function gone(place: Place, child: ChildProcess, how: object): void {
    if (place.process !== child) return;
    const lived = performance.now() - (place.servesSince ?? Number.POSITIVE_INFINITY);
    place.process = undefined;
    place.servesSince = undefined;
    log[isStopping ? 'info' : 'error']({ event: 'worker_ended', worker: place.worker, ...how });
    for (const each of asked.values()) if (each.place === place) each.settle(NOTHING);
    dead.add(place.owner);
    if (heir === place) heir = undefined;
    bequeath();
    if (isStopping) {
      if (places.every((each) => each.process === undefined)) ended.resolve();
      return;
    }
    if (lived > LASTED_MS) place.failures = 0;
    failed(place);
  }

  /** It is started again, ever later if that is of no use. */
  function failed(place: Place): void {
    if (isStarting) return started.reject(new Error(`worker ${place.worker} ended at its start`));
    const waitMs = Math.min(LONGEST_MS, SHORTEST_MS * 2 ** place.failures);
    place.failures += 1;
    place.restart = setTimeout(open, waitMs, place);
  }

  /** One at a time inherits: the dead are few, and what they left is ended in one commit. */
  function bequeath(): void {
    if (heir || dead.size === 0 || isStopping) return;
    // Who has served longest is the least likely to be about to die of what the other died of.
    const [first] = places
      .filter((place) => place.servesSince !== undefined && !place.isStopping)
      .toSorted((a, b) => Number(a.servesSince) - Number(b.servesSince));
    if (!first) return;
    heir = first;
    send(first, { type: 'inherit', owners: [...dead] });
  }

  function put(place: Place, question: Question): Promise<Reply> {
    const id = ++lastQuestion;
    const { promise, resolve } = Promise.withResolvers<Reply>();
    asked.set(id, {
      place,
      settle(reply) {
        asked.delete(id);
        resolve(reply);
      },
    });
    send(place, { type: 'question', id, question });
    return promise;
  }

  async function ask(question: Question): Promise<Reply> {
    const serving = places.filter(({ servesSince }) => servesSince !== undefined);
    const replies = await Promise.all(serving.map((place) => put(place, question)));
    return replies.reduce(
      (sum, { sockets, users }) => ({ sockets: sum.sockets + sockets, users: sum.users + users }),
      NOTHING,
    );
  }

  return {
    start() {
      for (const place of places) open(place);
      return started.promise;
    },

    tell(message) {
      for (const place of places) send(place, message);
    },

    ask,

    askUntil(question) {
      standing.add(question);
      return { asked: ask(question), end: () => void standing.delete(question) };
    },

    stop(signal) {
      isStopping = true;
      for (const place of places) {
        clearTimeout(place.restart);
        if (place.servesSince === undefined) place.process?.kill(signal);
        else send(place, { type: 'stop' });
      }
      if (places.every((each) => each.process === undefined)) ended.resolve();
      return ended.promise.finally(() => clearInterval(pings));
    },
  };
}
