/** `npm start`, as the README says it: one command, one URL, a chat that works. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { runCommand } from '../support/cli.ts';
import { connectParams, type Json } from '../support/client.ts';
import { temporaryFolder } from '../support/gateway.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const MAIN = join(ROOT, 'deploy', 'dev', 'main.ts');
const FREE_PORTS = ['--port', '0', '--gateway-port', '0'];

interface Started {
  readonly url: URL;
  readonly output: () => string;
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
}

async function start(command: string, args: readonly string[], stateDir: string): Promise<Started> {
  const { PATH, HOME } = process.env;
  // A group of its own, so that Ctrl-C reaches all of it, as in a terminal.
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { PATH, HOME, OPENCLAW_STATE_DIR: stateDir },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  onTestFinished(async () => {
    if (child.exitCode === null) interrupt(child);
    await exited;
  });
  const url = await new Promise<string>((resolve, reject) => {
    const look = (chunk: unknown) => {
      output += String(chunk);
      const found = /http:\S+#ticket=\S+/.exec(output)?.[0];
      if (found !== undefined) resolve(found);
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    void exited.then((code) => reject(new Error(`it ended with ${code}:\n${output}`)));
  });
  return { url: new URL(url), output: () => output, child, exited };
}

/** A start that fails. */
function startAndEnd(args: readonly string[], stateDir: string) {
  const command = [process.execPath, MAIN];
  return runCommand(args, { command, env: { OPENCLAW_STATE_DIR: stateDir } });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function interrupt(child: ChildProcess): void {
  if (child.pid !== undefined) process.kill(-child.pid, 'SIGINT');
}

/** What the page does: sign in with the ticket, ask for a session, open the socket, say something. */
async function chat(url: URL): Promise<string> {
  const post = async (path: string, body: object, token?: string): Promise<Json> => {
    const answer = await fetch(new URL(path, url), {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
    });
    expect(answer.status).toBe(200);
    return answer.json();
  };
  const ticket = url.hash.slice('#ticket='.length);
  const { access_token: token } = await post('/api/v1/auth/login', { ticket });
  const wanted = { instance_id: url.searchParams.get('instance_id') };
  const session = await post('/api/v1/me/webchat/session/create', wanted, token);
  const socket = new WebSocket(`${session.ws_url}?token=${session.token}`, { origin: url.origin });
  onTestFinished(() => socket.terminate());
  const call = (id: string, method: string, params: object) =>
    socket.send(JSON.stringify({ type: 'req', id, method, params }));
  return new Promise((resolve, reject) => {
    socket.on('close', (code, reason) => reject(new Error(`closed ${code} ${String(reason)}`)));
    socket.on('error', reject);
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data));
      if (frame.event === 'connect.challenge') call('c', 'connect', connectParams());
      if (frame.id === 'c') {
        const { session_key: sessionKey } = session;
        call('s', 'chat.send', { sessionKey, message: 'hello there', idempotencyKey: 'one' });
      }
      if (frame.event === 'chat' && frame.payload.state === 'final') {
        resolve(frame.payload.message.content[0].text);
      }
    });
  });
}

describe('the chain on one machine', { timeout: 60_000 }, () => {
  test('npm start: the URL opens a page whose user is signed in, and answers; Ctrl-C ends all of it', async () => {
    const stateDir = await temporaryFolder();
    const chain = await start('npm', ['start', '--', ...FREE_PORTS], stateDir);
    expect(chain.output()).toContain('behind nginx');
    // What builds it has nothing to say, unless it fails.
    expect(chain.output()).not.toContain('chunk');
    const page = await fetch(chain.url);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('<script type="module"');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(await chat(chain.url)).toContain('hello there');
    interrupt(chain.child);
    // npm itself dies of the signal; what it ran has ended in order.
    await chain.exited;
    expect(chain.output()).not.toContain('ended');
    await expect(fetch(chain.url)).rejects.toThrow('fetch failed');
  });

  test('where nginx is not installed, the development edge does the same', async () => {
    const stateDir = await temporaryFolder();
    const args = [MAIN, '--front', 'edge', ...FREE_PORTS];
    const chain = await start(process.execPath, args, stateDir);
    expect(chain.output()).toContain('development edge');
    expect(await chat(chain.url)).toContain('hello there');
  });

  test('keeps all that it has below dev/, and is talked to from a terminal by the command that it prints', async () => {
    const stateDir = await temporaryFolder();
    const help = await startAndEnd(['--help'], stateDir);
    expect(help.stdout).toContain('below dev/');
    const args = [MAIN, '--front', 'edge', ...FREE_PORTS];
    const chain = await start(process.execPath, args, stateDir);
    await expect.poll(chain.output).toContain('Ctrl-C');
    const [, port = ''] = /npm run chat -- --gateway-port (\d+)\n/.exec(chain.output()) ?? [];
    const said = await runCommand(['chat', 'hello there', '--gateway-port', port], {
      env: { OPENCLAW_STATE_DIR: stateDir },
    });
    expect(said).toMatchObject({ code: 0, stderr: '' });
    expect(said.stdout).toContain('hello there');
    expect(await readdir(stateDir)).toEqual(['dev']);
    expect(await readdir(join(stateDir, 'dev'))).toContain('oc-gateway.sqlite');
  });

  test('an operator deletes a user of the gateway that it runs', async () => {
    const stateDir = await temporaryFolder();
    const folder = join(stateDir, 'dev');
    const args = [MAIN, '--front', 'edge', ...FREE_PORTS];
    const chain = await start(process.execPath, args, stateDir);
    expect(await chat(chain.url)).toContain('hello there');
    const env = { OPENCLAW_STATE_DIR: folder };
    expect(await runCommand(['users', 'delete', 'demo'], { env })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('removed 1 sessions with 2 messages'),
    });
    // What holds the tokens is its owner's alone.
    const { mode } = await stat(join(folder, 'openclaw.json'));
    expect(mode & 0o077).toBe(0);
  });

  test('a second start leaves the first alone, and says that it runs', async () => {
    const stateDir = await temporaryFolder();
    const first = await start(process.execPath, [MAIN, '--front', 'edge', ...FREE_PORTS], stateDir);
    const settings = () => readFile(join(stateDir, 'dev', 'openclaw.json'), 'utf8');
    const before = await settings();
    const second = await startAndEnd(FREE_PORTS, stateDir);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`npm start runs already (process ${first.child.pid})`);
    expect(await settings()).toBe(before);
    expect(await chat(first.url)).toContain('hello there');
  });

  test('a folder that cannot be made ends the start, and is named', async () => {
    const ended = await runCommand(['--front', 'edge', ...FREE_PORTS], {
      // A start that never came to an end would be ended with another code.
      command: ['timeout', '--signal=KILL', '30', process.execPath, MAIN],
      env: { OPENCLAW_STATE_DIR: '/proc/nowhere' },
    });
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain('/proc/nowhere');
  });

  test('secrets that are damaged end the start, and are left as they are', async () => {
    const stateDir = await temporaryFolder();
    const file = join(stateDir, 'dev', 'secrets.json');
    await mkdir(join(stateDir, 'dev'));
    for (const text of ['', '{"jwt":""}']) {
      await writeFile(file, text);
      const ended = await runCommand(['--front', 'edge', ...FREE_PORTS], {
        command: [process.execPath, MAIN],
        env: { OPENCLAW_STATE_DIR: stateDir },
      });
      expect(ended.code).toBe(1);
      expect(ended.stderr).toContain(`${file} is damaged: remove it`);
      expect(await readFile(file, 'utf8')).toBe(text);
    }
  });

  test('what a killed start left running is named, with how to end it', async () => {
    const stateDir = await temporaryFolder();
    const first = await start(process.execPath, [MAIN, '--front', 'edge', ...FREE_PORTS], stateDir);
    const note = JSON.parse(await readFile(join(stateDir, 'dev', 'running.json'), 'utf8'));
    const { gateway, portal }: Record<string, number> = note.parts;
    if (!gateway || !portal) throw new Error('the note names no processes');
    onTestFinished(() => {
      for (const pid of [gateway, portal]) process.kill(pid, 'SIGTERM');
    });
    const closed = new Promise((resolve) => first.child.once('exit', resolve));
    first.child.kill('SIGKILL');
    await closed;
    const second = await startAndEnd(FREE_PORTS, stateDir);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`End them: kill ${gateway} ${portal}`);
  });

  test('a user who may not sign in ends the start, and nothing is left', async () => {
    const stateDir = await temporaryFolder();
    const first = await start(process.execPath, [MAIN, '--front', 'edge', ...FREE_PORTS], stateDir);
    const config = join(stateDir, 'dev', 'portal.json');
    const command = [process.execPath, join(ROOT, 'portal', 'main.ts')];
    await runCommand(['users', 'disable', 'demo', '--config', config], { command });
    interrupt(first.child);
    expect(await first.exited).toBe(0);
    const second = await startAndEnd(['--front', 'edge', ...FREE_PORTS], stateDir);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain('"demo" is disabled; enable the user first');
  });

  test('a terminal that is closed, and says so twice, ends all of it', async () => {
    const stateDir = await temporaryFolder();
    const { child, exited, output } = await start(
      process.execPath,
      [MAIN, '--front', 'edge', ...FREE_PORTS],
      stateDir,
    );
    const { pid = 0 } = child;
    process.kill(-pid, 'SIGHUP');
    // Of two at once the system would make one.
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.kill(-pid, 'SIGHUP');
    expect(await exited, output()).toBe(0);
    // Nobody of its group is left.
    await expect.poll(() => isAlive(-pid)).toBe(false);
  });

  test('a wrong flag or a taken port is told in a line', async () => {
    const stateDir = await temporaryFolder();
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void taken.close());
    const address = taken.address();
    const port = typeof address === 'object' ? String(address?.port) : '';
    for (const [args, message] of [
      [['--bogus'], "Unknown option '--bogus'\n"],
      [['--port', '0x10'], '--port must be a number from 0 to 65535\n'],
      [['--front', 'apache'], '--front must be nginx or edge\n'],
      [['--port', port], `Port ${port} cannot be used (EADDRINUSE). Name another:`],
    ] as const) {
      const { code, stderr } = await startAndEnd(args, stateDir);
      expect(code).toBe(1);
      expect(stderr).toContain(message);
      expect(stderr).not.toContain('    at ');
    }
  });
});
