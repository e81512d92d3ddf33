/** Another user whose answer streams while somebody misbehaves, and who must notice nothing of it. */

import { expect } from 'vitest';
import { connectClient, type Json } from './client.ts';
import { DONE, events, finish, gate, role, says, text, type Upstream } from './upstream/openai.ts';

/**
 * Lets a neighbour's answer begin, runs `misbehave`, lets the answer end, and expects the neighbour
 * to have received exactly that answer, on a socket that is still whole.
 */
export async function undisturbed(
  at: { port: number; upstream: Upstream },
  misbehave: () => Promise<void>,
): Promise<void> {
  const user = `neighbour-${crypto.randomUUID()}`;
  const hold = gate();
  at.upstream.when(
    says(user),
    events(role(), text('before, '), hold.promise, text('after'), finish('stop'), DONE),
  );
  const neighbour = await connectClient({ port: at.port, user });
  const runId = crypto.randomUUID();
  await neighbour.request('chat.send', {
    sessionKey: 'main',
    message: user,
    idempotencyKey: runId,
  });
  await neighbour.event('chat', (each) => each.state === 'delta');

  await misbehave();

  hold.open();
  const final = await neighbour.event('chat', (each) => each.state === 'final');
  expect(final.message.content).toEqual([{ type: 'text', text: 'before, after' }]);
  expect(neighbour.text(runId)).toBe('before, after');
  expect(neighbour.frames.filter((frame) => !isOwn(frame, runId))).toEqual([]);
  const seqs = neighbour.frames.filter((frame) => 'seq' in frame).map((frame) => frame.seq);
  expect(seqs).toEqual(seqs.map((_, index) => index + 1));
  expect(await neighbour.request('health')).toMatchObject({ ok: true });
  await neighbour.close();
}

function isOwn(frame: Json, runId: string): boolean {
  if (frame.type === 'res') return frame.ok;
  if (frame.event === 'chat') return frame.payload.runId === runId;
  return frame.event === 'connect.challenge' || frame.event === 'tick';
}
