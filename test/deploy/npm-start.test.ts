/** `npm start`, as the README says it: one command, one URL, a chat that works. */

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { connectParams, type Json } from '../support/client.ts';
import { temporaryFolder } from '../support/gateway.ts';

const ROOT = join(import.meta.dirname, '..', '..');
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
    const args = [join(ROOT, 'deploy', 'dev', 'main.ts'), '--front', 'edge', ...FREE_PORTS];
    const chain = await start(process.execPath, args, stateDir);
    expect(chain.output()).toContain('development edge');
    expect(await chat(chain.url)).toContain('hello there');
  });
});
