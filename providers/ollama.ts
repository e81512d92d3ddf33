/**
 * Ollama's native chat API (`POST /api/chat`, one JSON object a line). Format:
 * https://docs.ollama.com/api/chat.
 */

import { type ChunkReader, defineAdapter, UpstreamFault } from './adapter.ts';
import type { AnswerEvents } from './answer-events.ts';
import { splitBaseUrl } from './base-url.ts';
import type {
  AdapterFactory,
  ProviderMessage,
  ProviderRequest,
  StopReason,
  ToolDefinition,
} from './contract.ts';
import { networkCode, type UpstreamError } from './failures.ts';
import { jsonLines } from './lines.ts';
import { refuseDocument, UNREADABLE } from './response.ts';
import { createFetch } from './transport.ts';
import {
  countAt,
  objectAt,
  objectsAt,
  parseArguments,
  rowOf,
  textAt,
  type WireObject,
} from './wire.ts';

const STOP_REASONS: Readonly<Record<string, StopReason>> = { stop: 'stop', length: 'length' };

export const createAdapter: AdapterFactory = (endpoint) => {
  const fetch = createFetch(endpoint);
  const url = `${splitBaseUrl(endpoint.baseUrl).root}/api/chat`;
  const headers = {
    'content-type': 'application/json',
    ...(endpoint.apiKey !== '' && { authorization: `Bearer ${endpoint.apiKey}` }),
    ...endpoint.headers,
  };
  return defineAdapter(endpoint, {
    async open(request, signal) {
      const body = JSON.stringify(toBody(request));
      const response = await fetch(url, { method: 'POST', headers, body, signal });
      if (!response.ok) throw new UpstreamFault(await refusal(response));
      await refuseDocument(response, endpoint.id);
      return response;
    },
    framing: jsonLines,
    reader: createReader,
    describe,
  });
};

function toBody(request: ProviderRequest) {
  const { model, system, tools } = request;
  return {
    model: model.id,
    messages: [
      ...(system === '' ? [] : [{ role: 'system', content: system }]),
      ...request.messages.flatMap(toWire),
    ],
    stream: true,
    // An error instead of a conversation that silently loses its beginning.
    truncate: false,
    shift: false,
    ...(tools.length > 0 && { tools: tools.map(toTool) }),
    ...(model.reasoning && { think: request.reasoning === 'off' ? false : request.reasoning }),
    options: {
      // Without it the server takes a few thousand tokens, whatever the model can do.
      num_ctx: model.contextWindow,
      ...(request.maxOutputTokens !== undefined && { num_predict: request.maxOutputTokens }),
    },
  };
}

function toTool({ name, description, parameters }: ToolDefinition) {
  return { type: 'function', function: { name, description, parameters } };
}

function toWire(message: ProviderMessage): WireObject[] {
  if (message.role === 'tool') {
    return message.content.map(({ name, content }) => ({ role: 'tool', tool_name: name, content }));
  }
  if (message.role === 'user') {
    const images = message.content.filter((block) => block.type === 'image');
    return [
      {
        role: 'user',
        content: joinText(message.content),
        ...(images.length > 0 && { images: images.map((image) => image.data) }),
      },
    ];
  }
  const calls = message.content.filter((block) => block.type === 'tool_call');
  const content = joinText(message.content);
  if (content === '' && calls.length === 0) return [];
  return [
    {
      role: 'assistant',
      content,
      ...(calls.length > 0 && {
        tool_calls: calls.map((call) => ({
          function: { name: call.name, arguments: parseArguments(call.arguments) },
        })),
      }),
    },
  ];
}

function joinText(blocks: readonly { type: string; text?: string }[]): string {
  return blocks.map((block) => (block.type === 'text' ? (block.text ?? '') : '')).join('');
}

function createReader(answer: AnswerEvents): ChunkReader {
  let stop: StopReason | undefined;
  let calls = 0;
  return {
    read(chunk) {
      const error = textAt(chunk, 'error');
      if (error !== undefined) throw new UpstreamFault({ codes: ['server_error'], text: error });
      answer.start(textAt(chunk, 'model'));
      const message = objectAt(chunk, 'message');
      answer.reasoning(textAt(message, 'thinking') ?? '');
      answer.text(textAt(message, 'content') ?? '');
      for (const call of objectsAt(message, 'tool_calls')) {
        const { name, args } = toCall(call);
        answer.toolCall(calls, { name });
        answer.toolArguments(calls, args);
        answer.toolCallEnd(calls);
        calls += 1;
      }
      if (chunk['done'] !== true) return;
      answer.usage({
        input: countAt(chunk, 'prompt_eval_count'),
        output: countAt(chunk, 'eval_count'),
        cacheRead: 0,
        cacheWrite: 0,
      });
      stop = rowOf(STOP_REASONS, textAt(chunk, 'done_reason') ?? '') ?? 'stop';
    },
    stopReason: () => (stop === 'stop' && calls > 0 ? 'tool_use' : stop),
  };
}

function toCall(call: WireObject): { name: string; args: string } {
  const called = objectAt(call, 'function');
  return {
    name: textAt(called, 'name') ?? '',
    args: JSON.stringify(objectAt(called, 'arguments')),
  };
}

/** `{"error": "…"}`. A body that cannot be read leaves the status to speak. */
async function refusal(response: Response): Promise<UpstreamError> {
  const { status, headers } = response;
  const body: unknown = await response.json().catch(() => undefined);
  return { status, headers, text: textAt(body, 'error') ?? '' };
}

function describe(error: unknown): UpstreamError {
  if (error instanceof SyntaxError) return { known: UNREADABLE };
  const code = networkCode(error);
  return code === undefined ? {} : { network: code };
}
