/** Whatever the pieces, the pauses and the readers: what a reader gets, concatenated, is the answer. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createLiveRun, type LiveRun } from '../../agents/run.ts';
import { createHub, type Subscriber } from '../../gateway/hub.ts';

interface Reader extends Subscriber {
  congested: boolean;
  readonly frames: { event: string; payload: Record<string, unknown> }[];
}

function reader(userId: string): Reader {
  const frames: Reader['frames'] = [];
  return {
    principal: { userId, instanceId: 'default' },
    wantsAgentEvents: false,
    watchesSessions: false,
    watchesMessages: () => false,
    congested: false,
    frames,
    sendEvent: (body) => frames.push(JSON.parse(`${body}}`)),
  };
}

function liveRun(userId: string): LiveRun {
  return createLiveRun(
    { userId, instanceId: 'default' },
    {
      runId: 'run',
      sessionKey: 'main',
      sessionId: '00000000-0000-4000-8000-000000000000',
      agentId: 'main',
      state: 'running',
      options: {},
      messageSeq: 1,
      answerSeq: 2,
      createdAt: 0,
    },
  );
}

/** A hub whose turns of the event loop end when the test says so. */
function testHub() {
  let turnEnd: (() => void) | undefined;
  const hub = createHub({
    now: () => 0,
    defer(flush) {
      turnEnd = flush;
    },
    sessionChangedBody: () => '',
    messageBody: () => '',
  });
  return {
    hub,
    endTurn() {
      const flush = turnEnd;
      turnEnd = undefined;
      flush?.();
    },
  };
}

const textOf = ({ frames }: Reader) =>
  frames.map(({ payload }) => (payload['state'] === 'delta' ? payload['deltaText'] : '')).join('');

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('delta' as const),
      text: fc.string({ minLength: 1, unit: 'grapheme' }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('turn' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('congest' as const), who: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('drain' as const), who: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('snapshot' as const), who: fc.nat(2) }) },
);

test('every reader gets the whole answer, once, before its end', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { hub, endTurn } = testHub();
      const readers = [reader('alice'), reader('alice'), reader('alice')];
      for (const each of readers) hub.join(each);
      const run = liveRun('alice');
      hub.listener.started(run);
      for (const each of steps) {
        if (each.do === 'delta') {
          run.answer.addText(each.text);
          hub.listener.delta(run, each.text);
        }
        if (each.do === 'turn') endTurn();
        const who = 'who' in each ? readers[each.who] : undefined;
        if (who && each.do === 'snapshot') {
          hub.flush(run, who);
          // A history reply would now carry the whole text: this reader must have missed none of it.
          expect(textOf(who)).toBe(run.answer.text());
        }
        if (who && each.do === 'congest') who.congested = true;
        if (who && each.do === 'drain') {
          who.congested = false;
          hub.drained(who);
        }
      }
      hub.listener.ended(run, { state: 'final', stopReason: 'stop' });
      endTurn();
      for (const each of readers) {
        expect(textOf(each)).toBe(run.answer.text());
        expect(each.frames.at(-1)?.payload['state']).toBe('final');
        const seqs = each.frames.map(({ payload }) => Number(payload['seq']));
        expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
      }
    }),
  );
});

test('deltas of one turn leave as one frame', () => {
  const { hub, endTurn } = testHub();
  const alice = reader('alice');
  hub.join(alice);
  const run = liveRun('alice');
  for (const text of ['Hel', 'lo', ' world']) {
    run.answer.addText(text);
    hub.listener.delta(run, text);
  }
  expect(alice.frames).toEqual([]);
  endTurn();
  expect(alice.frames.map(({ payload }) => payload['deltaText'])).toEqual(['Hello world']);
});

test('nobody hears of another principal', () => {
  const { hub, endTurn } = testHub();
  const others = [
    reader('bob'),
    { ...reader('alice'), principal: { userId: 'alice', instanceId: 'other' } },
  ];
  for (const each of others) hub.join(each);
  const run = liveRun('alice');
  hub.listener.started(run);
  run.answer.addText('secret');
  hub.listener.delta(run, 'secret');
  endTurn();
  hub.listener.ended(run, { state: 'final', stopReason: 'stop' });
  expect(others.flatMap((each) => each.frames)).toEqual([]);
});

test('a reader that left is sent nothing more', () => {
  const { hub, endTurn } = testHub();
  const alice = reader('alice');
  hub.join(alice);
  const run = liveRun('alice');
  alice.congested = true;
  run.answer.addText('late');
  hub.listener.delta(run, 'late');
  endTurn();
  hub.leave(alice);
  hub.drained(alice);
  hub.listener.ended(run, { state: 'final', stopReason: 'stop' });
  expect(alice.frames).toEqual([]);
  expect(hub.subscribers.size).toBe(0);
});
