/**
 * OpenAI's chat completions (`POST /v1/chat/completions`), the API that One-API and most others
 * offer. Format: https://platform.openai.com/docs/api-reference/chat/streaming. What endpoints do
 * differently is data in openai-compat.ts.
 */

import { createHash } from 'node:crypto';
import { type ChunkReader, defineAdapter, UpstreamFault } from './adapter.ts';
import type { AnswerEvents } from './answer-events.ts';
import type {
  AdapterFactory,
  ProviderMessage,
  ProviderRequest,
  StopReason,
  ToolDefinition,
  Usage,
} from './contract.ts';
import { BROKEN_FINISH, FINISH_REASONS, type OpenAiCompat, openAiCompat } from './openai-compat.ts';
import {
  type ChatCompletionCreateParamsStreaming,
  type ChatCompletionMessageParam,
  describeOpenAiError,
  openAiClient,
  streamError,
} from './openai-sdk.ts';
import { refuseDocument } from './response.ts';
import { serverEvents } from './server-events.ts';
import {
  countAt,
  firstObjectAt,
  firstTextAt,
  isObject,
  isText,
  objectAt,
  rowOf,
  textAt,
  type WireObject,
} from './wire.ts';

const API = 'openai-completions';

export const createAdapter: AdapterFactory = (endpoint) => {
  const client = openAiClient(endpoint);
  const known = new Map<string, OpenAiCompat>();
  const compatOf = (model: string): OpenAiCompat => {
    const compat = known.get(model) ?? openAiCompat(endpoint.baseUrl, model, endpoint.compat);
    known.set(model, compat);
    return compat;
  };
  return defineAdapter(endpoint, {
    async open(request, signal) {
      const body = toBody(request, compatOf(request.model.id));
      const response = await client.chat.completions.create(body, { signal }).asResponse();
      await refuseDocument(response, endpoint.id);
      return response;
    },
    framing: serverEvents,
    reader: (answer, model) => createReader(answer, compatOf(model.id)),
    describe: describeOpenAiError,
  });
};

function toBody(
  request: ProviderRequest,
  compat: OpenAiCompat,
): ChatCompletionCreateParamsStreaming {
  return {
    model: request.model.id,
    messages: toMessages(request, compat),
    stream: true,
    ...(compat.supportsUsageInStreaming && { stream_options: { include_usage: true } }),
    ...(request.tools.length > 0 && { tools: request.tools.map(toTool) }),
    ...(request.maxOutputTokens !== undefined && {
      [compat.maxTokensField]: request.maxOutputTokens,
    }),
    ...(request.reasoning !== 'off' &&
      compat.supportsReasoningEffort && { reasoning_effort: request.reasoning }),
  };
}

function toTool({ name, description, parameters }: ToolDefinition) {
  return { type: 'function' as const, function: { name, description, parameters } };
}

function toMessages(request: ProviderRequest, compat: OpenAiCompat): ChatCompletionMessageParam[] {
  const messages: ChatCompletionMessageParam[] = [];
  if (request.system !== '') messages.push({ role: compat.systemRole, content: request.system });
  for (const message of request.messages) {
    const afterTool = messages.at(-1)?.role === 'tool';
    if (afterTool && message.role === 'user' && compat.requiresAssistantAfterToolResult) {
      messages.push({ role: 'assistant', content: 'Done.' });
    }
    const plain = plainMessage(message);
    if (plain) messages.push(plain);
    else messages.push(...toWire(message, compat));
  }
  return messages;
}

/** Of a message that holds one text and nothing else, as most do. */
function plainMessage({ role, content }: ProviderMessage): ChatCompletionMessageParam | undefined {
  const [first] = content;
  if (role === 'tool' || content.length !== 1 || first?.type !== 'text') return undefined;
  return { role, content: first.text };
}

function toWire(message: ProviderMessage, compat: OpenAiCompat): ChatCompletionMessageParam[] {
  if (message.role === 'user') return [userMessage(message.content)];
  if (message.role === 'assistant') return assistantMessages(message.content, compat);
  return message.content.map((result) => ({
    role: 'tool',
    tool_call_id: toolId(result.id, compat),
    ...(compat.requiresToolResultName && { name: result.name }),
    content: result.content,
  }));
}

function userMessage(
  content: Extract<ProviderMessage, { role: 'user' }>['content'],
): ChatCompletionMessageParam {
  // Plain text as a string: every endpoint takes it, some take nothing else.
  if (content.every((block) => block.type === 'text')) {
    return { role: 'user', content: content.map((block) => block.text).join('\n') };
  }
  return {
    role: 'user',
    content: content.map((block) =>
      block.type === 'text'
        ? { type: 'text', text: block.text }
        : {
            type: 'image_url',
            image_url: { url: `data:${block.mimeType};base64,${block.data}` },
          },
    ),
  };
}

/** None if nothing is left to say: an assistant message without content and calls is refused. */
function assistantMessages(
  content: Extract<ProviderMessage, { role: 'assistant' }>['content'],
  compat: OpenAiCompat,
): ChatCompletionMessageParam[] {
  const text = content.filter((block) => block.type === 'text').map((block) => block.text);
  const thoughts = content
    .filter((block) => block.type === 'reasoning')
    .filter((block) => block.api === API);
  const calls = content.filter((block) => block.type === 'tool_call');
  if (text.length === 0 && calls.length === 0) return [];
  const field = compat.reasoningReturnField;
  return [
    {
      role: 'assistant',
      content: text.length > 0 ? text.join('') : null,
      ...(field !== undefined &&
        thoughts.length > 0 && { [field]: thoughts.map((block) => block.text).join('') }),
      ...(calls.length > 0 && {
        tool_calls: calls.map((call) => ({
          type: 'function' as const,
          id: toolId(call.id, compat),
          function: { name: call.name, arguments: call.arguments || '{}' },
        })),
      }),
    },
  ];
}

/** An id that another API gave may be too long here; the same id always becomes the same digest. */
function toolId(id: string, compat: OpenAiCompat): string {
  if (!compat.requiresShortToolIds || /^[a-zA-Z0-9]{9}$/.test(id)) return id;
  return createHash('sha256').update(id).digest('hex').slice(0, 9);
}

function createReader(answer: AnswerEvents, compat: OpenAiCompat): ChunkReader {
  let finish: string | undefined;
  let refused = false;
  const readCalls = createCallReader(answer);

  const readDelta = (delta: WireObject) => {
    const reasoning = firstTextAt(delta, compat.reasoningFields);
    if (reasoning !== undefined) answer.reasoning(reasoning);
    if (isText(delta['content'])) answer.text(delta['content']);
    if (isText(delta['refusal'])) {
      refused = true;
      answer.text(delta['refusal']);
    }
    if (Array.isArray(delta['tool_calls'])) readCalls(delta['tool_calls'].filter(isObject));
  };

  return {
    read(chunk) {
      throwIfFailed(chunk);
      answer.start(textAt(chunk, 'model'));
      if (isObject(chunk['usage'])) answer.usage(toUsage(chunk['usage']));
      // The usage chunk has an empty list; some endpoints leave it out or send null, also inside of it.
      const choice = firstObjectAt(chunk, 'choices');
      if (!choice) return;
      readDelta(objectAt(choice, 'delta'));
      const reason = textAt(choice, 'finish_reason');
      if (reason !== undefined && rowOf(FINISH_REASONS, reason) === BROKEN_FINISH) {
        throw new UpstreamFault({ codes: ['server_error'] });
      }
      finish = reason ?? finish;
    },
    stopReason() {
      if (finish === undefined) return undefined;
      return stopReason(finish, answer.calledTools(), refused);
    },
  };
}

/** An error that comes in the stream, as a chunk of its own shape; some relays send a bare sentence. */
function throwIfFailed(chunk: WireObject): void {
  const { error } = chunk;
  if (isText(error)) throw new UpstreamFault({ codes: ['server_error'], text: error });
  if (isObject(error)) throw new UpstreamFault(streamError(error));
}

function stopReason(finish: string, calledTools: boolean, refused: boolean): StopReason {
  const reason = rowOf(FINISH_REASONS, finish);
  if (reason !== undefined && reason !== 'stop' && reason !== BROKEN_FINISH) return reason;
  // Some endpoints say `stop` after a tool call, and OpenAI does after a refusal.
  if (calledTools) return 'tool_use';
  return refused ? 'refusal' : 'stop';
}

/**
 * Pieces of a call share an `index`. Some relays give every call the same index, or none, but
 * then each comes whole, with an id of its own.
 */
function createCallReader(answer: AnswerEvents): (calls: readonly WireObject[]) => void {
  /** Most answers call nothing. */
  let latest: Map<unknown, { key: number; id: string | undefined; name: string }> | undefined;
  let opened = 0;
  return (calls) => {
    for (const call of calls) {
      const index = call['index'];
      const id = textAt(call, 'id');
      const name = textAt(call['function'], 'name');
      let open = latest?.get(index);
      if (name !== undefined && (open === undefined || isAnother(open, call))) {
        open = { key: opened, id, name };
        opened += 1;
        latest = (latest ?? new Map()).set(index, open);
        answer.toolCall(open.key, { ...(id !== undefined && { id }), name });
      }
      const piece = textAt(call['function'], 'arguments');
      if (open !== undefined && piece !== undefined) answer.toolArguments(open.key, piece);
    }
  };
}

/** Whether a piece that has a name begins a call of its own. */
function isAnother(open: { id: string | undefined; name: string }, call: WireObject): boolean {
  const id = textAt(call, 'id');
  if (id !== undefined) return id !== open.id;
  // Without an index nothing could say where a later piece belongs: each call comes whole.
  return typeof call['index'] !== 'number' || textAt(call['function'], 'name') !== open.name;
}

/**
 * `prompt_tokens` includes what came from the cache. Some leave reasoning out of
 * `completion_tokens`, but never out of the total.
 */
function toUsage(usage: WireObject): Omit<Usage, 'total'> {
  const prompt = countAt(usage, 'prompt_tokens');
  const details = objectAt(usage, 'prompt_tokens_details');
  // The second is DeepSeek's.
  const cached = countAt(details, 'cached_tokens') || countAt(usage, 'prompt_cache_hit_tokens');
  const cacheRead = Math.min(prompt, cached);
  const cacheWrite = Math.min(prompt - cacheRead, countAt(details, 'cache_write_tokens'));
  const total = countAt(usage, 'total_tokens');
  const output = Math.max(countAt(usage, 'completion_tokens'), total - prompt);
  return { input: prompt - cacheRead - cacheWrite, output, cacheRead, cacheWrite };
}
