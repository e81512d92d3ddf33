/** `/readyz` says whether anybody could sign in: it does not take a file that is only read for a good one. */

import { execFileSync } from 'node:child_process';
import { renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { servePortal } from './support/portal.ts';

const ready = async (url: string) => (await fetch(`${url}/readyz`)).status;

test('/readyz says 503 while another program holds the lock, and 200 after it', async () => {
  const { url, folder, clock } = await servePortal();
  expect(await ready(url)).toBe(200);
  const other = new Database(join(folder, 'portal.db'));
  onTestFinished(() => void other.close());
  other.exec('BEGIN IMMEDIATE');
  // An outcome stands for a second.
  expect(await ready(url)).toBe(200);
  clock.now += 1_000;
  expect(await ready(url)).toBe(503);
  other.exec('ROLLBACK');
  clock.now += 1_000;
  expect(await ready(url)).toBe(200);
});

test('/readyz says 503 while the file is not where it was opened, and 200 when it is back', async () => {
  const { url, folder, clock } = await servePortal();
  const file = join(folder, 'portal.db');
  renameSync(file, `${file}.moved`);
  expect(await ready(url)).toBe(503);
  // Another one in its place is as wrong.
  writeFileSync(file, '');
  clock.now += 1_000;
  expect(await ready(url)).toBe(503);
  renameSync(`${file}.moved`, file);
  clock.now += 1_000;
  expect(await ready(url)).toBe(200);
});

test('/readyz says 503 while the disk is full, and 200 when it has room', async () => {
  const { url, folder, clock } = await servePortal();
  expect(await ready(url)).toBe(200);
  const { size } = statSync(join(folder, 'portal.db-wal'));
  const limit = (bytes: number | 'unlimited') =>
    execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:unlimited`]);
  limit(size);
  try {
    clock.now += 1_000;
    expect(await ready(url)).toBe(503);
  } finally {
    limit('unlimited');
  }
  clock.now += 1_000;
  expect(await ready(url)).toBe(200);
});
