/** `fetch` over node:http. */

import { createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { bodyOf, createFetch } from '../../providers/transport.ts';
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

async function textOf(response: Response): Promise<string> {
  const pieces: Buffer[] = [];
  await bodyOf(response).forEach((piece) => {
    pieces.push(piece);
    return false;
  });
  return Buffer.concat(pieces).toString();
}

const enough = () => true;

/** A server that answers the n-th request, from 1, as a server should not: each comes in one piece here. */
async function rawServer(answer: (socket: Socket, n: number) => void) {
  const sockets: Socket[] = [];
  let asked = 0;
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', () => {
      asked += 1;
      answer(socket, asked);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return {
    url: `http://127.0.0.1:${port}`,
    asked: () => asked,
    connections: () => sockets.length,
  };
}

describe('the transport', () => {
  it('sends and receives like fetch', async () => {
    const fetch = createFetch();
    upstream.script(
      { status: 201, headers: { 'content-type': 'text/x' }, body: ['añ', '日本'] },
      { status: 429, headers: { 'x-a': 'b' }, body: ['añ', '日本'] },
    );
    const response = await fetch(`${upstream.url}/p?q=1`, post('{"a":"ü"}'));
    const type = response.headers.get('content-type');
    expect([response.status, response.ok, type]).toEqual([201, true, 'text/x']);
    expect(await textOf(response)).toBe('añ日本');
    const refusal = await fetch(upstream.url, post('{}'));
    expect([refusal.status, refusal.ok, refusal.headers.get('x-a')]).toEqual([429, false, 'b']);
    expect(await refusal.text()).toBe('añ日本');
    expect(upstream.requests[0]).toMatchObject({
      method: 'POST',
      path: '/p?q=1',
      body: { a: 'ü' },
    });
    expect(upstream.requests[0]?.headers['content-length']).toBe('10');
  });

  it('names the host, and whom the address names unless a header says who asks', async () => {
    const fetch = createFetch();
    const host = new URL(upstream.url).host;
    const address = `http://us%C3%A9r:p%40ss@${host}/`;
    const basic = `Basic ${Buffer.from('usér:p@ss').toString('base64')}`;
    await textOf(await fetch(address, post('{}')));
    const given = { Authorization: 'Bearer key', Host: 'models.example', 'X-Name': 'é' };
    const named = { ...post('"ü"'), headers: given };
    await textOf(await fetch(address, named));
    expect(
      upstream.requests.map(({ headers }) => [headers['host'], headers['authorization']]),
    ).toEqual([
      [host, basic],
      ['models.example', 'Bearer key'],
    ]);
    // A byte, whatever the body is written in.
    expect(upstream.requests[1]?.headers['x-name']).toBe('é');
  });

  it('keeps its connection when a reader stops just before the end', async () => {
    const fetch = createFetch();
    const end = gate();
    upstream.script({ body: ['data: [DONE]', end.promise] }, { body: [] });
    const first = await fetch(upstream.url, post('{}'));
    await bodyOf(first).forEach(enough);
    end.open();
    await upstream.requests[0]?.closed;
    await settled();
    await textOf(await fetch(upstream.url, post('{}')));
    expect(upstream.requests.map((request) => request.connection)).toEqual([1, 1]);
  });

  it('does not read on for ever after a reader that left', async () => {
    const response = createFetch()(upstream.url, post('{}'));
    function* endless() {
      for (;;) yield 'x'.repeat(16_384);
    }
    upstream.script({ body: { [Symbol.iterator]: endless } });
    await bodyOf(await response).forEach(enough);
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
    await expect(textOf(response)).rejects.toMatchObject({ name: 'AbortError' });
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
    await expect(textOf(response)).rejects.toMatchObject({ name: 'AbortError' });
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
    let heard = '';
    const reading = bodyOf(response).forEach((piece) => {
      heard += piece.toString();
      return false;
    });
    await expect(reading).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(heard).toBe('hello');
  });

  it('asks again where an idle connection was closed as it was taken', async () => {
    const server = await rawServer((socket, n) => {
      // The second request meets a server that has just given the connection up.
      if (n === 2) socket.resetAndDestroy();
      else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    });
    const fetch = createFetch();
    expect(await textOf(await fetch(server.url, post('{}')))).toBe('ok');
    await settled();
    expect(await textOf(await fetch(server.url, post('{}')))).toBe('ok');
    expect([server.asked(), server.connections()]).toEqual([3, 2]);
  });

  it('asks again once, however many idle connections are as good as closed', async () => {
    const held: Socket[] = [];
    const server = await rawServer((socket, n) => {
      if (n > 3) return void socket.resetAndDestroy();
      held.push(socket);
      // All at once, so that each call opens a connection.
      if (n === 3)
        for (const each of held) each.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    });
    const fetch = createFetch();
    const ask = async () => textOf(await fetch(server.url, post('{}')));
    await Promise.all([ask(), ask(), ask()]);
    await settled();
    await expect(ask()).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(server.asked()).toBe(3 + 2);
  });

  it.each([
    ['that answers and does not read', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok', 'ok'],
    [
      'whose answer has no content and pours it',
      `HTTP/1.1 205 Reset\r\ncontent-length: 999999999\r\n\r\n${'x'.repeat(500_000)}`,
      '',
    ],
  ])('leaves a server %s', async (_, answer, text) => {
    let closed = false;
    const server = createServer((socket) => {
      socket.on('error', () => {}).on('close', () => (closed = true));
      socket.pause();
      socket.write(answer);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const connections: Socket[] = [];
    server.on('connection', (socket) => connections.push(socket));
    onTestFinished(() => {
      for (const each of connections) each.destroy();
      server.close();
    });
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const response = await createFetch()(`http://127.0.0.1:${port}`, post('x'.repeat(20_000_000)));
    expect(await textOf(response)).toBe(text);
    await settled();
    for (const each of connections) each.resume();
    await expect.poll(() => closed).toBe(true);
  });

  it('does not ask again where a kept connection breaks in the middle of the answer', async () => {
    const broken = gate();
    const server = await rawServer((socket, n) => {
      if (n === 1) return void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nhalf of it');
      void broken.promise.then(() => socket.resetAndDestroy());
    });
    const fetch = createFetch();
    expect(await textOf(await fetch(server.url, post('{}')))).toBe('ok');
    await settled();
    const response = await fetch(server.url, post('{}'));
    broken.open();
    await expect(textOf(response)).rejects.toMatchObject({ code: 'ECONNRESET' });
    await settled();
    expect([server.asked(), server.connections()]).toEqual([2, 1]);
  });

  it('rejects an answer that switches protocols', async () => {
    const server = await rawServer((socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n');
    });
    await expect(createFetch()(server.url, post('{}'))).rejects.toThrow('without an answer');
  });

  it('keeps apart what one endpoint is asked and another', async () => {
    const fetch = createFetch();
    upstream.script({ body: [] }, { body: [] }, { body: [] });
    const ask = async (path: string, key: string) => {
      const headers = { 'content-type': 'application/json', authorization: key };
      await textOf(await fetch(`${upstream.url}${path}`, { method: 'POST', headers, body: '{}' }));
    };
    await ask('/a', 'one');
    await ask('/b', 'two');
    await ask('/b', 'three');
    const seen = upstream.requests.map(({ path, headers }) => [path, headers['authorization']]);
    expect(seen).toEqual([
      ['/a', 'one'],
      ['/b', 'two'],
      ['/b', 'three'],
    ]);
  });

  it('says so if an answer came by another fetch', () => {
    expect(() => bodyOf(new Response('text'))).toThrow('did not ask by the fetch of transport.ts');
  });

  it('rejects what is no URL', async () => {
    await expect(createFetch()('nonsense')).rejects.toMatchObject({ code: 'ERR_INVALID_URL' });
  });
});
