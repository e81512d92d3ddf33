/** OpenClaw's own gateway, if `OPENCLAW_BIN` names its executable: started as its users do. */

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryFolder } from './gateway-process.ts';
import type { ClientKind } from './load/client.ts';
import { pidOf, spawnProgram } from './processes.ts';

/** The executable, or nothing. It finds the Node that it needs by itself. */
export const OPENCLAW_BIN: string | undefined = process.env['OPENCLAW_BIN'];

const TOKEN = 'bench';

/** What it admits with these scopes and without pairing: a program of the same machine. */
export const OPENCLAW_CLIENT: ClientKind = {
  headers: {},
  connect: {
    client: { id: 'gateway-client', version: '1', platform: 'bench', mode: 'backend' },
    role: 'operator',
    scopes: ['operator.read', 'operator.write'],
    auth: { token: TOKEN },
  },
};

export interface OpenClaw {
  port: number;
  pid: number;
  stop(): Promise<void>;
}

/** Resolves when its port is open. */
export async function startOpenClaw(program: string, upstreamPort: number): Promise<OpenClaw> {
  const stateDir = temporaryFolder('openclaw-');
  const config = join(stateDir, 'openclaw.json');
  const port = await freePort();
  writeFileSync(config, JSON.stringify(configuration(stateDir, port, upstreamPort)));
  const { child, stop } = spawnProgram(program, ['gateway', '--port', String(port)], {
    PATH: process.env['PATH'],
    HOME: stateDir,
    OPENCLAW_STATE_DIR: stateDir,
    OPENCLAW_CONFIG_PATH: config,
  });
  await portOpen(port, child);
  return { port, pid: pidOf(child), stop };
}

/** It is given a port, as it does not tell the one that it found. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

const PATIENCE_MS = 90_000;
const LOOK_EVERY_MS = 10;

async function portOpen(port: number, child: ChildProcess): Promise<void> {
  for (let waited = 0; waited < PATIENCE_MS; waited += LOOK_EVERY_MS) {
    if (child.exitCode !== null) throw new Error(`OpenClaw ended with ${child.exitCode}`);
    if (await accepts(port)) return;
    await sleep(LOOK_EVERY_MS);
  }
  throw new Error('OpenClaw does not listen');
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const answer = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => answer(true)).once('error', () => answer(false));
  });
}

function configuration(stateDir: string, port: number, upstreamPort: number): object {
  return {
    gateway: {
      mode: 'local',
      bind: 'loopback',
      port,
      auth: { mode: 'token', token: TOKEN },
      controlUi: { enabled: false },
    },
    agents: {
      defaults: { model: { primary: 'bench/bench' }, workspace: join(stateDir, 'workspace') },
    },
    models: {
      mode: 'replace',
      providers: {
        bench: {
          api: 'openai-completions',
          baseUrl: `http://127.0.0.1:${upstreamPort}/v1`,
          apiKey: 'bench',
          models: [
            {
              id: 'bench',
              name: 'bench',
              reasoning: false,
              input: ['text'],
              contextWindow: 128_000,
              maxTokens: 8_192,
            },
          ],
        },
      },
    },
  };
}
