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

/** What one thread did, in order: a call that another thread interrupted counts where it ended. */
function callsOf(thread: number, lines: readonly string[]): string[] {
  const calls: string[] = [];
  let begun = '';
  for (const line of lines) {
    const [, id, call] = /^\[pid +(\d+)\] (.*)$/.exec(line) ?? [];
    if (call === undefined || Number(id) !== thread) continue;
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(call);
    if (call.endsWith('<unfinished ...>')) begun = call;
    else calls.push(resumed ? `${begun}${resumed[1] ?? ''}` : call);
  }
  return calls;
}

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
    const calls = callsOf(gateway.pid, await watch.stop());

    const after = (from: number, matches: (call: string) => boolean) => {
      const index = calls.findIndex((call, position) => position >= from && matches(call));
      return index < 0 ? Number.POSITIVE_INFINITY : index;
    };
    const isToSocket = (call: string) => /^(?:sendto|sendmsg|write|writev)\(\d+<socket/.test(call);
    for (const id of ids) {
      const written = after(0, (call) => /^pwrite.*-wal>/.test(call) && call.includes(id));
      const synced = after(written, (call) => /^f(?:data)?sync\(\d+<.*-wal>\) += 0/.test(call));
      // A send to the model would hold the message and not its id: this is the client's answer.
      const told = after(0, (call) => isToSocket(call) && call.includes(id));
      expect(told, `the acknowledgement of ${id} was seen`).toBeLessThan(calls.length);
      expect(synced, `the sync for ${id} was seen`).toBeLessThan(told);
    }
  },
);
