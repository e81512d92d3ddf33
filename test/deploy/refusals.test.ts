/** The refusal service: a process that takes an upgrade and closes it with a code and a reason. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { isRefusedStatus, REASONS, refusalClose } from '../../deploy/edge/close-codes.ts';
import { startRefusals } from '../../deploy/edge/refusals.ts';
import { runCommand } from '../support/cli.ts';
import { REFUSALS } from '../support/programs.ts';
import { openRaw } from '../support/raw.ts';

const COMMAND = [process.execPath, REFUSALS];

async function refused(port: number, headers: Record<string, string>, protocols: string[] = []) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, protocols, { headers });
  onTestFinished(() => socket.terminate());
  const [code, reason] = await once(socket, 'close');
  return [Number(code), String(reason)] as const;
}

async function startService(lingerMs?: number) {
  const service = await startRefusals({
    host: '127.0.0.1',
    port: 0,
    ...(lingerMs !== undefined && { lingerMs }),
  });
  onTestFinished(() => service.close());
  return service;
}

describe('a close', () => {
  test.each<[status: string, word: string, code: number, reason: string]>([
    ['401', 'token_missing', 4401, 'token_missing'],
    ['403', 'token_expired', 4401, 'token_expired'],
    ['403', 'no_permission', 4403, 'no_permission'],
    ['403', 'not_internal', 4503, 'not_internal'],
    ['403', '', 4403, 'no_permission'],
    ['403', 'anything else', 4403, 'no_permission'],
    ['403', 'constructor', 4403, 'no_permission'],
    ['404', 'token_expired', 4404, 'instance_unknown'],
    ['429', '', 4429, 'too_many'],
    ['502', '', 4502, 'gateway_unavailable'],
    ['503', '', 4503, 'portal_unavailable'],
    ['504', '', 4504, 'gateway_mute'],
    ['200', 'token_expired', 4503, 'portal_unavailable'],
    ['', '', 4503, 'portal_unavailable'],
  ])('for status %s and word "%s" is %i %s', async (status, word, code, reason) => {
    const { port } = await startService();
    const headers = { 'X-Reject-Status': status, 'X-Reject-Reason': word };
    expect(await refused(port, headers)).toEqual([code, reason]);
  });

  test('comes also to a client that asked for a protocol', async () => {
    const { port } = await startService();
    expect(await refused(port, { 'X-Reject-Status': '404' }, ['a', 'b'])).toEqual([
      4404,
      'instance_unknown',
    ]);
  });

  test('every reason can be reached and fits a close frame', () => {
    const reached = [401, 403, 404, 429, 502, 503, 504].flatMap((status) =>
      isRefusedStatus(status)
        ? [undefined, ...Object.keys(REASONS)].map((word) => refusalClose(status, word).reason)
        : [],
    );
    expect(new Set(reached)).toEqual(new Set(Object.keys(REASONS)));
    for (const reason of reached) expect(reason.length).toBeLessThanOrEqual(123);
  });

  test('is not waited for: a client that does not answer it is cut', async () => {
    const { port } = await startService(50);
    const peer = await openRaw(port);
    peer.send(
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Reject-Status: 404\r\n\r\n',
    );
    expect(await peer.ended).toContain('instance_unknown');
  });

  test.each([
    ['a bad key', 'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x'],
    [
      'a bad version',
      'Upgrade: websocket\r\nSec-WebSocket-Version: 1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ],
    ['another protocol', 'Upgrade: h2c'],
  ])('needs a handshake: %s is an HTTP error', async (_what, lines) => {
    const { port } = await startService();
    const peer = await openRaw(port);
    peer.send(`GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n${lines}\r\n\r\n`);
    expect(await peer.ended).toMatch(/^HTTP\/1\.1 4(?:00|26) /);
    expect(await refused(port, { 'X-Reject-Status': '404' })).toEqual([4404, 'instance_unknown']);
  });

  test('plain HTTP finds a health check and nothing else', async () => {
    const { port } = await startService();
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404);
  });
});

describe('oc-refusals', () => {
  async function start(): Promise<{ child: ChildProcess; port: number }> {
    const child = spawn(process.execPath, [REFUSALS, '--listen', '127.0.0.1:0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const [line] = await once(createInterface({ input: child.stdout }), 'line');
    const { event, port } = JSON.parse(String(line));
    expect(event).toBe('listening');
    return { child, port: Number(port) };
  }

  test('serves until a signal, also with sockets open', async () => {
    const { child, port } = await start();
    expect(await refused(port, { 'X-Reject-Status': '401' })).toEqual([4401, 'token_invalid']);
    await openRaw(port);
    // It reloads others, and ends nothing.
    child.kill('SIGHUP');
    expect(await refused(port, { 'X-Reject-Status': '401' })).toEqual([4401, 'token_invalid']);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  test('a port that is taken is an error that says so', async () => {
    const { port } = await startService();
    const result = await runCommand(['--listen', `127.0.0.1:${port}`], { command: COMMAND });
    expect(result).toMatchObject({ code: 1 });
    expect(result.stderr).toContain('(--listen): another program listens there');
  });

  test.each([
    [['--listen', 'localhost:1']],
    [['--listen', '1.2.3.4']],
    [['--listen', '1.2.3.4:99999']],
    [['--lisen', 'x']],
    [['x']],
  ])('%j is refused', async (args) => {
    const result = await runCommand(args, { command: COMMAND });
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toContain('--help');
  });
});
