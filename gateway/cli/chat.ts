/** `oc-gateway chat`: a conversation in the terminal, over the real protocol, as nginx would forward it. */

import { createInterface, type Interface } from 'node:readline';
import manifest from '../../package.json' with { type: 'json' };
import { loadConfig } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';
import type { Config } from '../config/schema.ts';
import { listenPort } from '../config/settings.ts';
import { type ChatFlags, howToCheck, howToListen } from './chat-advice.ts';
import { type Client, connect } from './client.ts';
import type { Io } from './io.ts';

/** With words: one message, its answer, the end. Without: a prompt until Ctrl-D. */
export async function chat(io: Io, flags: ChatFlags, words: string): Promise<number> {
  const target = resolveTarget(io, flags);
  if ('problem' in target) return complain(io, target.problem);
  try {
    const conversation = await startConversation(io, target);
    if (words.trim() !== '') return await conversation.sayOnce(words);
    return await conversation.talk();
  } catch (error) {
    return complain(io, error instanceof Error ? error.message : String(error));
  }
}

interface Target {
  urls: readonly string[];
  headers: Record<string, string>;
  ifNobodyListens: string;
}

/** Where the gateway is, and what its proxy would send: from the same configuration that it serves. */
function resolveTarget(io: Io, flags: ChatFlags): Target | { problem: string } {
  const loaded = loadConfig({
    env: io.env,
    ...(flags.config !== undefined && { path: flags.config }),
  });
  if (!loaded.ok) {
    return { problem: `the configuration has problems; see: ${howToCheck(flags)}` };
  }
  const urls = urlsIn(loaded.config, io, flags);
  if ('problem' in urls) return urls;
  const headers = proxyHeaders(loaded.config, flags);
  return { urls, headers, ifNobodyListens: howToListen(flags) };
}

function urlsIn(
  config: Config,
  io: Io,
  { url, port, 'gateway-port': gatewayPort }: ChatFlags,
): readonly string[] | { problem: string } {
  if (url !== undefined) return urlOf(url);
  const found = listenPort(config, io.env, gatewayPort ?? port);
  if (!found.ok) return { problem: formatProblem(found.problem) };
  return workerUrls(found.port, config.gateway.workers);
}

/** Where a scheme is missing, it is `ws://`. */
function urlOf(given: string): readonly string[] | { problem: string } {
  const url = given.includes('://') ? given : `ws://${given}`;
  if (/^(?:wss?|https?):/i.test(url) && URL.canParse(url)) return [url];
  return {
    problem: `--url ${JSON.stringify(given)} is no address of a gateway; write it as ws://127.0.0.1:18789`,
  };
}

/** The workers of a gateway listen on ports in a row. */
function workerUrls(port: number, workers: number): string[] {
  return Array.from({ length: workers }, (_, worker) => `ws://127.0.0.1:${port + worker}`);
}

function proxyHeaders(config: Config, flags: ChatFlags): Record<string, string> {
  const { trustedProxy } = config.gateway.auth;
  const [origin] = config.gateway.controlUi.allowedOrigins;
  const [instance] = Object.keys(config.gateway.instances ?? {});
  const instanceId = flags.instance ?? instance;
  return {
    [trustedProxy.userHeader]: flags.user ?? 'terminal',
    ...(origin !== undefined && { Origin: origin }),
    ...(instanceId !== undefined && { [trustedProxy.instanceHeader]: instanceId }),
    ...(flags.session !== undefined && { [trustedProxy.sessionKeyHeader]: flags.session }),
    ...(trustedProxy.secret && { [trustedProxy.secret.header]: trustedProxy.secret.value }),
  };
}

interface Conversation {
  sayOnce(message: string): Promise<number>;
  talk(): Promise<number>;
}

async function startConversation(io: Io, target: Target): Promise<Conversation> {
  let answering: { runId: string; done: (failed: boolean) => void } | undefined;
  /** Of the answer under way. */
  let stopAsked = false;
  let lost = '';
  let onLost = () => {};

  const client = await connect({
    ...target,
    version: manifest.version,
    onEvent(event, payload) {
      if (event !== 'chat' || payload['runId'] !== answering?.runId) return;
      show(payload);
    },
    onClose(code, reason) {
      lost = explainLoss(code, reason);
      // Ends the line of an answer that is not whole.
      if (answering) io.stdout.write('\n');
      answering?.done(true);
      onLost();
    },
  });
  const sessionKey = client.mainSessionKey;

  function show(payload: Readonly<Record<string, unknown>>): void {
    switch (payload['state']) {
      case 'delta':
        io.stdout.write(String(payload['deltaText']));
        return;
      case 'final':
        io.stdout.write('\n');
        return answering?.done(false);
      case 'aborted':
        io.stdout.write('\n[stopped]\n');
        if (!stopAsked) io.stderr.write('The answer was stopped at the gateway.\n');
        return answering?.done(!stopAsked);
      case 'error':
        io.stderr.write(`\n${String(payload['errorMessage'])}\n`);
        return answering?.done(true);
      default:
    }
  }

  /** Resolves when the answer has ended; true if it failed. */
  async function say(message: string): Promise<boolean> {
    const runId = crypto.randomUUID();
    stopAsked = false;
    const ended = new Promise<boolean>((done) => {
      answering = { runId, done };
    });
    try {
      await client.request('chat.send', { sessionKey, message, idempotencyKey: runId });
      return await ended;
    } catch (error) {
      // Of a lost connection the conversation's end tells.
      if (lost === '') {
        io.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
      }
      return true;
    } finally {
      answering = undefined;
    }
  }

  const stop = () => {
    stopAsked = true;
    void stopAnswer(client, sessionKey);
  };

  return {
    async sayOnce(message) {
      process.once('SIGINT', stop);
      const failed = await say(message);
      process.off('SIGINT', stop);
      client.close();
      if (lost !== '') return complain(io, lost);
      return failed ? 1 : 0;
    },

    async talk() {
      io.stderr.write(`Connected to ${client.url}, session ${sessionKey}.\n`);
      io.stderr.write('Enter sends, Ctrl-C stops an answer, Ctrl-D ends.\n');
      const lines = createInterface({ input: process.stdin, output: process.stderr });
      onLost = () => lines.close();
      lines.on('SIGINT', () => {
        if (answering) stop();
        else lines.close();
      });
      await converse(lines, say, () => lost !== '');
      client.close();
      if (lost === '') return 0;
      return complain(io, lost);
    },
  };
}

/** No close frame came: https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1 */
const ABNORMAL = 1006;

function explainLoss(code: number, reason: string): string {
  if (code !== ABNORMAL) return `the gateway closed the connection: ${code} ${reason}`.trimEnd();
  return 'the connection to the gateway broke off; if it died, what it had of an answer is stored.';
}

async function converse(
  lines: Interface,
  say: (message: string) => Promise<boolean>,
  isLost: () => boolean,
): Promise<void> {
  lines.setPrompt('> ');
  lines.prompt();
  for await (const line of lines) {
    if (line.trim() !== '') await say(line);
    if (isLost()) return;
    lines.prompt();
  }
}

async function stopAnswer(client: Client, sessionKey: string): Promise<void> {
  try {
    await client.request('chat.abort', { sessionKey });
  } catch {
    // The connection is gone, and with it what there was to stop; `onClose` tells the user.
  }
}

function complain(io: Io, problem: string): number {
  io.stderr.write(`oc-gateway chat: ${problem}\n`);
  return 1;
}
