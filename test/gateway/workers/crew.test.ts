/** Whom the supervisor starts, when, and who takes over from whom; its workers are made of nothing. */

import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { loadConfig } from '../../../gateway/config/load.ts';
import { createLog } from '../../../gateway/log.ts';
import { type Crew, createCrew } from '../../../gateway/workers/crew.ts';
import type { FromWorker, ToWorker } from '../../../gateway/workers/messages.ts';

class FakeWorker extends EventEmitter {
  readonly pid = 1;
  connected = true;
  readonly told: ToWorker[] = [];
  readonly signals: unknown[] = [];

  send(message: ToWorker): boolean {
    this.told.push(message);
    return true;
  }

  kill(signal: unknown): boolean {
    this.signals.push(signal);
    return true;
  }

  says(message: FromWorker): void {
    this.emit('message', message);
  }

  dies(): void {
    this.connected = false;
    this.emit('exit', null, 'SIGKILL');
  }

  get assignment() {
    const [first] = this.told;
    if (first?.type !== 'start') throw new Error('it was not told to start');
    return first.assignment;
  }

  heirOf(): (readonly number[])[] {
    return this.told.flatMap((each) => (each.type === 'inherit' ? [each.owners] : []));
  }
}

let spawned: FakeWorker[];
/** So often the system makes no process. */
let refusals: number;

beforeEach(() => {
  vi.useFakeTimers();
  spawned = [];
  refusals = 0;
});
afterEach(() => void vi.useRealTimers());

function crewOf(size: number, hasLeftOver = false): Crew {
  const loaded = loadConfig({ env: { OPENCLAW_STATE_DIR: '/nonexistent' } });
  if (!loaded.ok) throw new Error('the built-in configuration has errors');
  const { config } = loaded;
  return createCrew({
    size,
    port: 7_000,
    spawn() {
      if (refusals-- > 0) throw Object.assign(new Error('spawn ENOMEM'), { code: 'ENOMEM' });
      const worker = new FakeWorker();
      spawned.push(worker);
      // As much of one as the crew uses.
      return worker as unknown as ChildProcess;
    },
    assignment: () => ({
      generation: 5,
      host: '127.0.0.1',
      databasePath: '/store',
      file: '1:2',
      config,
    }),
    hasLeftOver,
    log: createLog('silent'),
  });
}

const at = (n: number): FakeWorker => {
  const worker = spawned[n];
  if (!worker) throw new Error(`no worker was started as number ${n}`);
  return worker;
};

async function serving(size: number, hasLeftOver = false): Promise<Crew> {
  const crew = crewOf(size, hasLeftOver);
  const ports = crew.start();
  for (const worker of spawned) {
    worker.says({ type: 'ready', port: worker.assignment.port });
    await vi.advanceTimersByTimeAsync(1);
  }
  expect(await ports).toEqual(Array.from({ length: size }, (_, n) => 7_000 + n));
  return crew;
}

test('each has its place, its port and a number of its own', async () => {
  await serving(2);
  expect(spawned.map(({ assignment }) => assignment)).toMatchObject([
    { worker: 0, owner: 1, port: 7_000, generation: 5 },
    { worker: 1, owner: 2, port: 7_001, generation: 5 },
  ]);
  at(0).dies();
  await vi.advanceTimersByTimeAsync(100);
  expect(at(2).assignment).toMatchObject({ worker: 0, owner: 3, port: 7_000 });
});

test('one that cannot start ends the start of all', async () => {
  const started = crewOf(2).start();
  at(1).says({ type: 'failed', message: 'cannot listen' });
  await expect(started).rejects.toThrow('cannot listen');
});

test('whoever keeps dying is started ever later, and soon again once it has lasted', async () => {
  await serving(1);
  const waits: number[] = [];
  for (let n = 0; n < 9; n += 1) {
    at(n).dies();
    const diedAt = performance.now();
    while (spawned.length === n + 1) await vi.advanceTimersByTimeAsync(50);
    waits.push(performance.now() - diedAt);
  }
  expect(waits).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
  at(9).says({ type: 'ready', port: 7_000 });
  await vi.advanceTimersByTimeAsync(31_000);
  at(9).dies();
  await vi.advanceTimersByTimeAsync(100);
  expect(spawned).toHaveLength(11);
});

test('what the gateway before has left is inherited by the first who serves', async () => {
  await serving(2, true);
  expect(at(0).heirOf()).toEqual([[0]]);
  expect(at(1).heirOf()).toEqual([]);
});

test('the dead are inherited once, and by the next if the heir dies of it', async () => {
  await serving(3);
  at(2).dies();
  expect(at(0).heirOf()).toEqual([[3]]);
  // Before the heir is done nobody else is asked, and who dies meanwhile waits.
  at(1).dies();
  expect(at(0).heirOf()).toEqual([[3]]);
  at(0).says({ type: 'inherited', owners: [3] });
  expect(at(0).heirOf()).toEqual([[3], [2]]);
  at(0).dies();
  // Nobody is left: the next who serves takes all over.
  await vi.advanceTimersByTimeAsync(100);
  at(3).says({ type: 'ready', port: 7_002 });
  expect(at(3).heirOf()).toEqual([[2, 1]]);
  at(3).says({ type: 'inherited', owners: [2, 1] });
  at(4).says({ type: 'ready', port: 7_001 });
  expect(at(4).heirOf()).toEqual([]);
});

test('answers add up; one that dies, or does not serve yet, has nothing to add', async () => {
  const crew = await serving(3);
  const question = { ask: 'emptyUser', userId: 'ann' } as const;
  const { asked, end } = crew.askUntil(question);
  const idOf = (worker: FakeWorker) => {
    const put = worker.told.find((each) => each.type === 'question');
    if (put?.type !== 'question') throw new Error('it was not asked');
    return put.id;
  };
  at(0).says({ type: 'reply', id: idOf(at(0)), reply: { sockets: 2, users: 1 } });
  at(1).dies();
  at(2).says({ type: 'reply', id: idOf(at(2)), reply: { sockets: 3, users: 1 } });
  expect(await asked).toEqual({ sockets: 5, users: 2 });
  // Who begins to serve before the end is told, too; who comes later is not.
  await vi.advanceTimersByTimeAsync(100);
  at(3).says({ type: 'ready', port: 7_001 });
  expect(idOf(at(3))).toBeGreaterThan(idOf(at(2)));
  end();
  at(2).dies();
  await vi.advanceTimersByTimeAsync(200);
  at(4).says({ type: 'ready', port: 7_002 });
  expect(() => idOf(at(4))).toThrow('not asked');
});

test('one that answers no ping any more is killed, and only then replaced', async () => {
  await serving(2);
  for (let n = 0; n < 20; n += 1) {
    await vi.advanceTimersByTimeAsync(5_000);
    at(0).says({ type: 'pong' });
    if (n < 4) at(1).says({ type: 'pong' });
    if (n === 8) expect(at(1).signals).toEqual([]);
  }
  expect(at(0).signals).toEqual([]);
  expect(at(1).signals[0]).toBe('SIGKILL');
  expect(spawned).toHaveLength(2);
  at(1).dies();
  await vi.advanceTimersByTimeAsync(100);
  expect(spawned).toHaveLength(3);
});

test('a stop asks those that serve, signals those that do not yet, and starts nobody again', async () => {
  const crew = await serving(3);
  at(0).dies();
  await vi.advanceTimersByTimeAsync(100);
  let isOver = false;
  const stopped = crew.stop('SIGTERM').then(() => (isOver = true));
  expect(at(3).signals).toEqual(['SIGTERM']);
  at(3).dies();
  // A signal would be the second one of a worker that was stopped alone, and end it at once.
  expect(at(1).signals).toEqual([]);
  expect(at(1).told.at(-1)).toEqual({ type: 'stop' });
  at(1).dies();
  at(2).says({ type: 'pong' });
  await vi.advanceTimersByTimeAsync(25_000);
  expect(isOver).toBe(false);
  expect(at(2).signals).toEqual([]);
  // Who hangs does not hold the stop up for ever.
  await vi.advanceTimersByTimeAsync(15_000);
  expect(at(2).signals[0]).toBe('SIGKILL');
  at(2).dies();
  await stopped;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(spawned).toHaveLength(4);
});

test('who is about to stop inherits nothing, as long as there is somebody else', async () => {
  await serving(3);
  at(0).says({ type: 'stopping' });
  at(2).dies();
  expect(at(0).heirOf()).toEqual([]);
  expect(at(1).heirOf()).toEqual([[3]]);
});

test('a process that the system has no memory for is tried again, and nobody else is hurt', async () => {
  await serving(2);
  refusals = 2;
  at(0).dies();
  await vi.advanceTimersByTimeAsync(100);
  expect(spawned).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(200 + 400);
  expect(at(2).assignment).toMatchObject({ worker: 0, owner: 3, port: 7_000 });
});

test('one that cannot be made at all ends the start', async () => {
  refusals = 1;
  await expect(crewOf(2).start()).rejects.toThrow('worker 0');
});
