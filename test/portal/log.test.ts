/** Whoever reads the portal's log, and stops, does not keep its users out. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { portalConfig, temporaryFolder } from './support/portal.ts';
import { portalCommand, startPortalProcess } from './support/process.ts';

/** Their lines are several times what the system keeps between two processes. */
const REQUESTS = 3_000;
const AT_ONCE = 50;

test('a portal whose log nobody reads answers on, and tells all when somebody does', async () => {
  const config = join(await temporaryFolder(), 'portal.json');
  await writeFile(config, JSON.stringify(portalConfig()));
  const portal = await startPortalProcess(config);
  const filler = 'x'.repeat(150);
  portal.pauseReading();
  for (let n = 0; n < REQUESTS; n += AT_ONCE) {
    const statuses = await Promise.all(
      Array.from({ length: AT_ONCE }, async (_, index) => {
        const answer = await fetch(`${portal.url}/nothing/${n + index}/${filler}`);
        await answer.body?.cancel();
        return answer.status;
      }),
    );
    expect(statuses).toEqual(statuses.map(() => 404));
  }
  const told = () => new Set(portal.output().match(/(?<=\/nothing\/)\d+/g)).size;
  expect(told()).toBeLessThan(REQUESTS);
  portal.resumeReading();
  await expect.poll(told).toBe(REQUESTS);
  expect(portal.output()).not.toContain('log_lines_dropped');
});

test('SIGHUP, which reloads others, ends no portal: it says what to do', async () => {
  const config = join(await temporaryFolder(), 'portal.json');
  await writeFile(config, JSON.stringify(portalConfig()));
  const portal = await startPortalProcess(config);
  void portal.stop('SIGHUP');
  await expect.poll(() => portal.output()).toContain('restart the portal to apply');
  expect((await fetch(`${portal.url}/healthz`)).status).toBe(200);
  expect(await portal.stop()).toBe(0);
});

test('a port that is taken is told with the key that chooses it', async () => {
  const config = join(await temporaryFolder(), 'portal.json');
  await writeFile(config, JSON.stringify(portalConfig()));
  const { port } = new URL((await startPortalProcess(config)).url);
  const second = await portalCommand(['serve', '--port', port], { config });
  expect(second).toMatchObject({ code: 1, stdout: '' });
  expect(second.stderr).toContain('(listen.port): another program listens there');
});
