/** What an adapter takes from its process, and what it leaves there: nothing. */

import { fork } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ProviderEndpoint } from '../../providers/contract.ts';
import type { ApiName } from '../../providers/registry.ts';
import { endpoint, SECRET } from '../providers/calls.ts';
import { gate } from '../support/upstream/http.ts';
import type { LoneCalls } from './lone-calls.ts';
import {
  APIS,
  type Bench,
  errorOf,
  loadFixture,
  openBench,
  requireReadable,
  streamOf,
  wholeAnswer,
} from './suite.ts';

const EVIL = 'from-the-environment';

/** Variables of the kinds that SDKs look for, under every vendor's name. */
function hostile(api: ApiName): Record<string, string> {
  const vendors = ['OPENAI', 'ANTHROPIC', 'GOOGLE', 'GEMINI', 'OLLAMA', api.split('-')[0] ?? ''];
  const values = {
    API_KEY: EVIL,
    AUTH_TOKEN: EVIL,
    ADMIN_KEY: EVIL,
    ORG_ID: EVIL,
    PROJECT_ID: EVIL,
    WEBHOOK_SECRET: EVIL,
    BASE_URL: `http://${EVIL}.invalid`,
    HOST: `http://${EVIL}.invalid`,
    CUSTOM_HEADERS: `X-Extra: ${EVIL}\nAuthorization: ${EVIL}\nUser-Agent: ${EVIL}`,
    LOG: 'debug',
  };
  const rows = vendors.flatMap((vendor) =>
    Object.entries(values).map(([name, value]) => [`${vendor.toUpperCase()}_${name}`, value]),
  );
  return { ...Object.fromEntries(rows), DEBUG: '*' };
}

/** Makes the calls in a process with these variables only; resolves with all that it said and wrote. */
async function alone(calls: LoneCalls, env: Record<string, string>) {
  const script = join(import.meta.dirname, 'lone-calls.ts');
  const child = fork(script, { env, silent: true, execPath: process.execPath, execArgv: [] });
  let written = '';
  for (const output of [child.stdout, child.stderr]) {
    output?.on('data', (chunk) => {
      written += String(chunk);
    });
  }
  const events = new Promise<unknown>((resolve) => child.once('message', resolve));
  const closed = new Promise<undefined>((resolve) => child.once('close', () => resolve(undefined)));
  child.send(calls);
  const told = await Promise.race([events, closed]);
  await closed;
  return { events: JSON.stringify(told), written };
}

describe.each(APIS)('%s', async (api) => {
  const fixture = await loadFixture(api);
  let bench: Bench;
  beforeEach(async () => {
    await requireReadable(api, fixture);
    bench = await openBench(api);
  });
  afterEach(() => bench.close());

  const here = (more: Partial<ProviderEndpoint> = {}) => endpoint(bench.upstream.url, more);

  it('takes nothing from the environment', async () => {
    bench.upstream.script(wholeAnswer(fixture, 'ok'), wholeAnswer(fixture, 'ok'));
    const endpoints = [here(), here({ apiKey: '', headers: { 'X-Own': 'kept' } })];
    const { events, written } = await alone({ api, endpoints }, hostile(api));
    expect(events).toContain('"done"');
    expect(written).toBe('');
    expect(bench.upstream.requests).toHaveLength(2);
    expect(bench.upstream.requests[1]?.headers).toMatchObject({ 'x-own': 'kept' });
    const [keyHeader] = fixture.authorization;
    expect(bench.upstream.requests[1]?.headers[keyHeader] ?? '').toBe('');
    expect(JSON.stringify(bench.upstream.requests[1])).not.toContain('none');
    for (const { headers, path, bodyText } of bench.upstream.requests) {
      expect(JSON.stringify([headers, path, bodyText])).not.toContain(EVIL);
    }
  });

  it('lets no secret, address or word of upstream out, and writes nothing', async () => {
    const said = `vendor words ${SECRET} ${bench.upstream.url}`;
    const begun = [...fixture.head, fixture.token('so far')];
    const statuses = [400, 401, 403, 404, 408, 429, 500, 503, 529];
    for (const status of statuses) bench.upstream.script(errorOf(fixture.error(status, said)));
    bench.upstream.script(
      streamOf(fixture, ...begun, fixture.errorEvent(said), gate().promise),
      streamOf(
        fixture,
        ...begun,
        fixture.token('').replace('{', () => `{${said}`),
      ),
      streamOf(fixture, ...begun, `${said}\n`),
      wholeAnswer(fixture, 'ok'),
    );
    const endpoints = [
      ...Array.from({ length: statuses.length + 4 }, () => here()),
      here({ headers: { 'X-Broken': `${SECRET}\nx` } }),
      here({ headers: { 'X-Broken': `${SECRET}€` } }),
      here({ apiKey: `${SECRET}\nx` }),
      endpoint(`not a url ${SECRET}`),
    ];
    const { events, written } = await alone({ api, endpoints }, hostile(api));
    expect(written).toBe('');
    expect(events.match(/"type":"(?:error|done)"/g)).toHaveLength(endpoints.length);
    for (const hidden of [SECRET, 'vendor words', '127.0.0.1', 'not a url', '    at ']) {
      expect(events).not.toContain(hidden);
    }
  });
});
