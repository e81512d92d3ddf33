/** What the tests of sessions share: a gateway with two agents before a scripted model, and questions about sessions. */

import { afterAll, beforeAll } from 'vitest';
import { type Client, connectClient, type Json } from './client.ts';
import { testConfig } from './config.ts';
import { type SharedGateway, shareGateway } from './gateway.ts';
import { startOpenAiUpstream, type Upstream } from './upstream/openai.ts';

export const NOT_FOUND = { code: 'INVALID_REQUEST', details: { code: 'SESSION_NOT_FOUND' } };

/** Starts both before the file's first test and ends them after its last. Read them inside tests only. */
export function sessionsScene() {
  let parts: { upstream: Upstream; gateway: SharedGateway } | undefined;
  const started = () => {
    if (!parts) throw new Error('nothing is started yet');
    return parts;
  };
  beforeAll(async () => {
    const upstream = await startOpenAiUpstream();
    const auth = {
      mode: 'trusted-proxy',
      trustedProxy: { allowLoopback: true },
      identityScopes: { root: ['operator.admin'] },
    };
    const gateway = await shareGateway({
      config: testConfig({
        upstream: upstream.url,
        gateway: { auth, limits: { requestsPerSecond: 0, sendsPerMinute: 0 } },
        entries: { main: {}, helper: { systemPrompt: 'You are the helper.' } },
      }),
    });
    parts = { upstream, gateway };
  });
  afterAll(async () => {
    await parts?.gateway.stop();
    await parts?.upstream.close();
  });
  return {
    get upstream() {
      return started().upstream;
    },
    get gateway() {
      return started().gateway;
    },
    /** A client of a user of its own, unless told otherwise. */
    someone: (options: object = {}) =>
      connectClient({
        port: started().gateway.port,
        user: `someone-${crypto.randomUUID()}`,
        ...options,
      }),
    /** What the model was sent last that contains this text. */
    lastCall: (containing: string): Json =>
      started().upstream.requests.findLast((each) => each.bodyText.includes(containing))?.body,
  };
}

export const messageText = (message: Json): string =>
  message.content.map((block: Json) => block.text).join('');

export async function historyOf(client: Client, sessionKey: string): Promise<string[]> {
  const { messages } = await client.request('chat.history', { sessionKey, limit: 1_000 });
  return messages.map(messageText);
}

export const describeSession = async (client: Client, key: string) =>
  (await client.request('sessions.describe', { key })).session;

/** Sessions are dated to the millisecond: what is to stand above another must not happen in the same one. */
export function nextMillisecond(): void {
  const now = Date.now();
  while (Date.now() === now);
}
