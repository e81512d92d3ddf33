/** Two gateways on one state folder would take each other's runs for dead: the second is refused. */

import { expect, test } from 'vitest';
import { runCommand } from '../support/cli.ts';
import { testConfig } from '../support/config.ts';
import { startGateway } from '../support/gateway.ts';

test('the second is refused while the first lives, and only then', async () => {
  const first = await startGateway({ config: testConfig() });
  const env = { OPENCLAW_STATE_DIR: first.stateDir };
  const second = await runCommand(['serve', '--port', '0'], { env });
  expect(second.code).toBe(1);
  expect(second.stderr).toContain('in use by another gateway');
  first.signal('SIGKILL');
  await first.exited;
  await startGateway({ stateDir: first.stateDir, config: testConfig() });
});
