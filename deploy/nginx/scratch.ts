/** `nginx -t` without touching the nginx of the machine: in a folder that is gone afterwards, on a socket of its own. */

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { renderNginx } from './render.ts';
import type { NginxValues } from './values.ts';
import { writeFiles } from './write-files.ts';

export type ScratchResult =
  | { readonly kind: 'ok' | 'refused'; readonly said: string }
  | { readonly kind: 'no_nginx'; readonly said: string };

/** Where it stands on hosts whose PATH leaves out the programs of the system. */
const PLACES = ['/usr/sbin', '/usr/local/sbin', '/usr/bin'];
const TIMEOUT_MS = 20_000;

/** OC_NGINX names the program; without it, PATH is searched and then the usual places. */
export function findNginx(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const named = env['OC_NGINX'];
  if (named !== undefined && named !== '') return existsSync(named) ? named : undefined;
  const folders = [
    ...(env['PATH'] ?? '').split(delimiter).filter((each) => each !== ''),
    ...PLACES,
  ];
  return folders.map((folder) => join(folder, 'nginx')).find((path) => existsSync(path));
}

/** Renders the values for a scratch folder, with this map, and lets nginx read them. `listen` is replaced. */
export async function testInScratch(
  values: NginxValues,
  map: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<ScratchResult> {
  const nginx = findNginx(env);
  const named = env['OC_NGINX'] ?? '';
  if (nginx === undefined && named !== '') {
    return { kind: 'refused', said: `OC_NGINX names ${named}, and there is no such program` };
  }
  if (nginx === undefined) {
    return {
      kind: 'no_nginx',
      said: 'nginx is not installed here, so its own check was not run; install it (apt-get install nginx-light) or name it in OC_NGINX',
    };
  }
  const folder = await mkdtemp(join(tmpdir(), 'oc-nginx-'));
  try {
    const mapFile = 'oc-ws-map.conf';
    const files = renderNginx({
      ...values,
      mapFile,
      unprivileged: true,
      accessLog: 'access.log',
      errorLog: 'error.log',
      // nginx binds what it tests; a port might be taken, or not ours to take.
      listen: [`unix:${join(folder, 's')}`],
    });
    await writeFiles(folder, [...files, { path: mapFile, text: map, secret: false }]);
    const { code, said } = await run(nginx, [
      '-t',
      '-q',
      '-p',
      folder,
      '-c',
      join(folder, 'nginx.conf'),
      '-e',
      'stderr',
    ]);
    const readable = said.replaceAll(`${folder}/`, '').trim();
    return { kind: code === 0 ? 'ok' : 'refused', said: readable };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function run(command: string, args: readonly string[]): Promise<{ code: number; said: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: TIMEOUT_MS,
    });
    let said = '';
    child.stderr.on('data', (chunk) => {
      said += String(chunk);
    });
    child.once('error', (error) => resolve({ code: 1, said: error.message }));
    child.once('close', (code) => resolve({ code: code ?? 1, said }));
  });
}
