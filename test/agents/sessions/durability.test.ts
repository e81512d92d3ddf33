import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { openSessionStore } from '../../../agents/sessions/sqlite-store.ts';
import { alice, temporaryFile } from './samples.ts';

const ENOUGH_LINES = 400;

/** Runs the writer until it has acknowledged enough, kills it in mid-write; all that it printed. */
async function writeAndKill(path: string): Promise<string[]> {
  const program = fileURLToPath(new URL('./acknowledging-writer.ts', import.meta.url));
  const child = spawn(process.execPath, [program, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  let printed = '';
  for await (const chunk of child.stdout) {
    printed += String(chunk);
    if (printed.split('\n').length > ENOUGH_LINES) child.kill('SIGKILL');
  }
  expect(await closed).toEqual([null, 'SIGKILL']);
  // The last piece is empty, or a line that the kill cut short.
  return printed.split('\n').slice(0, -1);
}

it('keeps every acknowledged write when the process is killed', async () => {
  const path = temporaryFile();
  const lines = await writeAndKill(path);
  const store = openSessionStore({ path });
  try {
    await store.recover(9_000);
    const done = new Set(lines.filter((line) => line.endsWith('=done')));
    for (const runId of lines.filter((line) => !line.endsWith('=done'))) {
      const key = `agent:main:${runId.split(':')[0]}`;
      const run = store.run(alice, key, runId);
      const page = store.history(alice, key, { limit: 1_000_000, offset: 0 });
      const texts = page?.messages
        .filter((message) => message.runId === runId)
        .map(({ content }) => content[0]?.type === 'text' && content[0].text);
      const finished = `answer to ${runId}`;
      const answered = done.has(`${runId}=done`) ? [finished] : [finished, `part of ${runId}`];
      expect(texts?.[0]).toBe(`text of ${runId}`);
      expect(answered).toContain(texts?.[1]);
      expect(run?.state).toBe(texts?.[1] === finished ? 'final' : 'interrupted');
    }
    expect(lines.length).toBeGreaterThanOrEqual(ENOUGH_LINES);
    expect(done.size).toBeGreaterThan(0);
  } finally {
    await store.close();
  }
});
