/**
 * What survives a power cut cannot be tried here, so the system calls are watched: no acknowledgement leaves before the
 * log that holds its message was written and synced.
 */

import { expect, onTestFinished, test } from 'vitest';
import { connectClient } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { startGateway } from '../support/gateway.ts';
import { canTrace, trace } from '../support/strace.ts';
import { startOpenAiUpstream } from '../support/upstream/openai.ts';

const USERS = ['ann', 'bob', 'cem'];
const MESSAGES = 8;

interface Call {
  text: string;
  /** Places in the order of all that any thread did. */
  start: number;
  end: number;
}

/** A call that another thread's interrupted stands in two lines: where it began and where it ended. */
function callsOf(lines: readonly string[]): Call[] {
  const calls: Call[] = [];
  const begun = new Map<string, Call>();
  lines.forEach((line, place) => {
    const [, thread, text] = /^\[pid +(\d+)\] (.*)$/.exec(line) ?? [];
    if (thread === undefined || text === undefined) return;
    const [, rest] = /^<\.\.\. \w+ resumed>(.*)$/.exec(text) ?? [];
    const known = begun.get(thread);
    if (rest === undefined) {
      const call = { text, start: place, end: place };
      calls.push(call);
      if (text.endsWith('<unfinished ...>')) begun.set(thread, call);
    } else if (known) {
      known.text += rest;
      known.end = place;
      begun.delete(thread);
    }
  });
  return calls;
}

const isToLog = ({ text }: Call) => /^pwrite(?:64|v)\(\d+<[^>]*-wal>/.test(text);
const isGoodSync = ({ text }: Call) => /^f(?:data)?sync\(\d+<[^>]*-wal>.*\) += 0/.test(text);
const isToSocket = ({ text }: Call) => /^(?:sendto|sendmsg|write|writev)\(\d+<socket/.test(text);

test.runIf(canTrace())(
  'an acknowledgement leaves after the log that holds its message was synced',
  async () => {
    const upstream = await startOpenAiUpstream();
    onTestFinished(() => upstream.close());
    const gateway = await startGateway({ config: testConfig({ upstream: upstream.url }) });
    const clients = await Promise.all(
      USERS.map((user) => connectClient({ port: gateway.port, user })),
    );
    const watch = await trace(gateway.pid, [
      '-y',
      '-s',
      '20000',
      '-e',
      'trace=pwrite64,pwritev,fsync,fdatasync,sendto,sendmsg,write,writev',
    ]);
    const ids: string[] = [];
    // At once and one after another: many share a commit, some have their own.
    for (let n = 0; n < MESSAGES; n += 1) {
      await Promise.all(
        clients.map(async (client) => {
          const idempotencyKey = crypto.randomUUID();
          ids.push(idempotencyKey);
          await client.request('chat.send', { sessionKey: 'main', message: 'hi', idempotencyKey });
        }),
      );
    }
    const calls = callsOf(await watch.stop());

    for (const id of ids) {
      const written = calls.find((call) => isToLog(call) && call.text.includes(id));
      // What goes to the model holds the message and not its id: this is the client's answer.
      const told = calls.find((call) => isToSocket(call) && call.text.includes(id));
      if (!written || !told) throw new Error(`${id} was not seen`);
      const synced = calls.find((call) => isGoodSync(call) && call.start > written.end);
      expect(synced?.end, id).toBeLessThan(told.start);
    }
  },
);
