/** `fetch` over node:http. */

import { createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chunksOf, createFetch } from '../../providers/transport.ts';
import { CUT, gate, settled, startUpstream, type Upstream } from '../support/upstream/http.ts';

let upstream: Upstream;
beforeEach(async () => {
  upstream = await startUpstream({ body: ['hello'] });
});
afterEach(() => upstream.close());

const post = (body: string, signal?: AbortSignal) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body,
  ...(signal && { signal }),
});

describe('the transport', () => {
  it('sends and receives like fetch', async () => {
    upstream.script({ status: 201, headers: { 'x-a': 'b' }, body: ['añ', '日本'] });
    const response = await createFetch()(`${upstream.url}/p?q=1`, post('{"a":"ü"}'));
    expect([response.status, response.ok, response.headers.get('x-a')]).toEqual([201, true, 'b']);
    expect(await response.text()).toBe('añ日本');
    expect(upstream.requests[0]).toMatchObject({
      method: 'POST',
      path: '/p?q=1',
      body: { a: 'ü' },
    });
    expect(upstream.requests[0]?.headers['content-length']).toBe('10');
  });

  it('keeps its connection when a reader stops just before the end', async () => {
    const fetch = createFetch();
    const end = gate();
    upstream.script({ body: ['data: [DONE]', end.promise] }, { body: [] });
    const first = await fetch(upstream.url, post('{}'));
    const reader = first.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    end.open();
    await upstream.requests[0]?.closed;
    await settled();
    await (await fetch(upstream.url, post('{}'))).text();
    expect(upstream.requests.map((request) => request.connection)).toEqual([1, 1]);
  });

  it('does not read on for ever after a reader that left', async () => {
    const response = createFetch()(upstream.url, post('{}'));
    function* endless() {
      for (;;) yield 'x'.repeat(16_384);
    }
    upstream.script({ body: { [Symbol.iterator]: endless } });
    const reader = (await response).body?.getReader();
    await reader?.read();
    await reader?.cancel();
    expect(await upstream.requests[0]?.closed).toBe('dropped');
  });

  it('holds upstream back while nobody reads', async () => {
    let made = 0;
    function* endless() {
      for (;;) {
        made += 1;
        yield 'x'.repeat(65_536);
      }
    }
    upstream.script({ body: { [Symbol.iterator]: endless } });
    const controller = new AbortController();
    const response = await createFetch()(upstream.url, post('{}', controller.signal));
    // Upstream is held back once a whole stretch of turns goes by without another piece.
    for (let quiet = 0, seen = -1; quiet < 200; quiet = seen === made ? quiet + 1 : 0) {
      seen = made;
      await new Promise((resolve) => setImmediate(resolve));
    }
    // What the kernel's buffers of both ends take, and ours; far from "everything".
    expect(made).toBeLessThan(500);
    controller.abort();
    await expect(response.text()).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('closes the connection when aborted, before and after the headers', async () => {
    const fetch = createFetch();
    const never = gate().promise;
    upstream.script({ before: never, body: [] }, { body: ['x', never] });
    const early = new AbortController();
    const refused = fetch(upstream.url, post('{}', early.signal));
    const { closed } = await upstream.request(0);
    early.abort();
    await expect(refused).rejects.toMatchObject({ name: 'AbortError' });
    expect(await closed).toBe('dropped');

    const late = new AbortController();
    const response = await fetch(upstream.url, post('{}', late.signal));
    late.abort();
    await expect(response.text()).rejects.toMatchObject({ name: 'AbortError' });
    expect(await upstream.requests[1]?.closed).toBe('dropped');
    await expect(fetch(upstream.url, post('{}', AbortSignal.abort()))).rejects.toMatchObject({
      name: 'AbortError',
    });
  });

  it('gives out what came before the connection broke, and then says so', async () => {
    upstream.script({ body: ['hello', CUT] });
    const response = await createFetch()(upstream.url, post('{}'));
    await upstream.requests[0]?.closed;
    await settled();
    const chunks = chunksOf(response)[Symbol.asyncIterator]();
    expect(Buffer.from((await chunks.next()).value ?? []).toString()).toBe('hello');
    await expect(chunks.next()).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('asks again where an idle connection was closed as it was taken', async () => {
    const sockets: Socket[] = [];
    let asked = 0;
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => {});
      socket.on('data', () => {
        asked += 1;
        // The second request meets a server that has just given the connection up.
        if (asked === 2) socket.resetAndDestroy();
        else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const fetch = createFetch();
    const url = `http://127.0.0.1:${port}`;
    expect(await (await fetch(url, post('{}'))).text()).toBe('ok');
    await settled();
    expect(await (await fetch(url, post('{}'))).text()).toBe('ok');
    expect([asked, sockets.length]).toEqual([3, 2]);
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  it('rejects what is no URL', async () => {
    await expect(createFetch()('nonsense')).rejects.toMatchObject({ code: 'ERR_INVALID_URL' });
  });
});
