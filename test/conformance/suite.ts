/** Loads an API's fixture folder and lays its bytes before the adapter, through the real SDK. */

import { readFileSync } from 'node:fs';
import type { AnswerStream, ProviderEndpoint, ProviderRequest } from '../../providers/contract.ts';
import { API_NAMES, type ApiName } from '../../providers/registry.ts';
import { collect, endpoint, last, request, textOf } from '../providers/calls.ts';
import { openProvider } from '../support/provider.ts';
import { type Piece, type Reply, startUpstream, type Upstream } from '../support/upstream/http.ts';
import type { ErrorReply, Fixture } from './fixture.ts';

/** The demonstration speaks to nobody. */
export const APIS = API_NAMES.filter((api) => api !== 'demo');

export interface Bench {
  upstream: Upstream;
  call(more?: Partial<ProviderRequest>, where?: Partial<ProviderEndpoint>): AnswerStream;
  /** One adapter for many calls, as the gateway has it. */
  keep(): (more?: Partial<ProviderRequest>) => AnswerStream;
  close(): Promise<void>;
}

export async function openBench(api: ApiName): Promise<Bench> {
  const upstream = await startUpstream({ status: 500, body: ['no script is left'] });
  return {
    upstream,
    call: (more = {}, where = {}) =>
      openProvider(api, endpoint(upstream.url, where))(request(more)),
    keep() {
      const adapter = openProvider(api, endpoint(upstream.url));
      return (more = {}) => adapter(request(more));
    },
    close: () => upstream.close(),
  };
}

/** A new API is a folder with a `fixture.ts`; nothing here needs to know of it. */
export async function loadFixture(api: ApiName): Promise<Fixture> {
  const module: { fixture: Fixture } = await import(`./fixtures/${api}/fixture.ts`);
  return module.fixture;
}

export function recorded(api: ApiName, file: string): Buffer {
  return readFileSync(new URL(`./fixtures/${api}/${file}`, import.meta.url));
}

const readable = new Map<ApiName, Promise<void>>();

/**
 * Nothing is proved of an API that cannot be read yet: rejects until its fixture is filled in and its
 * plain answer comes through. Called before each test, so that an empty adapter is green nowhere.
 */
export function requireReadable(api: ApiName, fixture: Fixture): Promise<void> {
  const known = readable.get(api) ?? proveReadable(api, fixture);
  readable.set(api, known);
  return known;
}

async function proveReadable(api: ApiName, fixture: Fixture): Promise<void> {
  const { streams } = fixture;
  const where = `test/conformance/fixtures/${api}`;
  if (/\bTODO\b/.test(JSON.stringify([fixture, fixture.token(''), fixture.end('', 0)]))) {
    throw new Error(`${where}/fixture.ts still holds a TODO`);
  }
  for (const { file } of Object.values(streams)) {
    if (recorded(api, file).length === 0) throw new Error(`${where}/${file} is empty`);
  }
  // Otherwise a list without rows would pass for a list of passed rows.
  const lists = { sources: fixture.sources, contextTooLong: fixture.contextTooLong };
  for (const [name, list] of Object.entries(lists)) {
    if (list.length === 0) throw new Error(`${where}/fixture.ts: ${name} is empty`);
  }
  const bench = await openBench(api);
  bench.upstream.script(streamOf(fixture, recorded(api, streams.plain.file)));
  const events = await collect(bench.call());
  await bench.close();
  if (textOf(events) !== streams.plain.text || last(events).type !== 'done') {
    throw new Error(`${api} cannot read its plain answer yet: ${JSON.stringify(last(events))}`);
  }
}

export function streamOf(fixture: Fixture, ...body: readonly Piece[]): Reply {
  return { headers: { 'content-type': fixture.contentType }, body };
}

/** One token, then the ordinary end. */
export function wholeAnswer(fixture: Fixture, text: string): Reply {
  return streamOf(fixture, ...fixture.head, fixture.token(text), ...ordinaryEnd(fixture));
}

export function ordinaryEnd(fixture: Fixture): readonly string[] {
  return fixture.end(fixture.stops[0]?.[0] ?? '', 10);
}

export function errorOf(reply: ErrorReply): Reply {
  return { status: reply.status, headers: reply.headers ?? {}, body: [reply.body] };
}
