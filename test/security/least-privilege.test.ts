/**
 * The gateway as a user without rights, in a file system that is read-only but for its state folder: what the systemd
 * unit and the container files promise of it, tried on the process itself. Needs the superuser, to give it less.
 */

import { spawnSync } from 'node:child_process';
import { chownSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { connectClient } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { startGateway, temporaryFolder } from '../support/gateway.ts';
import { GATEWAY } from '../support/programs.ts';

const NOBODY = 65_534;

/** Runs what follows as nobody, where nothing but `$1` can be written. */
const CONFINE = `set -e
mount --make-rprivate /
mount --bind "$1" "$1"
for folder in / /tmp /var/tmp /run /dev/shm "$HOME"; do
  if mountpoint -q "$folder" && [ "$folder" != "$1" ]; then mount -o remount,bind,ro "$folder"; fi
done
shift
exec setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups --bounding-set=-all --no-new-privs "$@"`;

const confined = (folder: string) => ['unshare', '-m', 'sh', '-c', CONFINE, 'sh', folder];

/** Some containers forbid it; and a checkout may stand where nobody else may read. */
function canConfine(): boolean {
  const [command = '', ...args] = confined('/mnt');
  return spawnSync(command, [...args, 'head', '-c1', process.execPath, GATEWAY]).status === 0;
}

test.runIf(canConfine())(
  'serves as a user without rights, and writes nowhere but in its state folder',
  async () => {
    const stateDir = await temporaryFolder();
    chownSync(stateDir, NOBODY, NOBODY);
    const wrapper = confined(stateDir);
    const gateway = await startGateway({ config: testConfig(), stateDir, wrapper });
    const status = readFileSync(`/proc/${gateway.pid}/status`, 'utf8');
    expect(status).toMatch(/^Uid:\t65534\t65534\t65534\t65534$/m);
    expect(status).toMatch(/^CapEff:\t0+$/m);
    const root = readFileSync(`/proc/${gateway.pid}/mounts`, 'utf8')
      .split('\n')
      .map((line) => line.split(' '))
      .findLast(([, path]) => path === '/');
    expect(root?.[3]?.split(',')).toContain('ro');

    const client = await connectClient({ port: gateway.port });
    expect(await client.say('main', 'hello')).toMatchObject({ state: 'final' });
    const { messages } = await client.request('chat.history', { sessionKey: 'main' });
    expect(messages).toHaveLength(2);
    gateway.signal('SIGTERM');
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
  },
);
