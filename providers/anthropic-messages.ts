/**
 * Anthropic's Messages API (`POST /v1/messages`), and the only file that imports its SDK. Format:
 * https://platform.claude.com/docs/en/build-with-claude/streaming.
 */

import Anthropic, { AnthropicError, APIError } from '@anthropic-ai/sdk';
import type {
  ContentBlockParam,
  MessageCreateParamsStreaming,
  MessageParam,
  ThinkingConfigParam,
} from '@anthropic-ai/sdk/resources/messages';
import { type ChunkReader, defineAdapter, UpstreamFault } from './adapter.ts';
import type { AnswerEvents } from './answer-events.ts';
import { splitBaseUrl } from './base-url.ts';
import type {
  AdapterFactory,
  ProviderEndpoint,
  ProviderMessage,
  ProviderRequest,
  ReasoningBlock,
  ReasoningEffort,
  StopReason,
  ToolDefinition,
  Usage,
} from './contract.ts';
import { withoutVariables } from './environment.ts';
import { networkCode, type UpstreamError } from './failures.ts';
import { makeLean } from './lean-client.ts';
import { refuseDocument, UNREADABLE } from './response.ts';
import { serverEventsThatSay } from './server-events.ts';
import { createFetch } from './transport.ts';
import {
  countAt,
  isObject,
  objectAt,
  parseArguments,
  rowOf,
  textAt,
  type WireObject,
} from './wire.ts';

const API = 'anthropic-messages';

/** The API insists on a bound; every model since Claude 3.5 can write this much. */
const DEFAULT_MAX_TOKENS = 8_192;

/** The least that the API takes as a thinking budget, which must also be below `max_tokens`. */
const MIN_THINKING = 1_024;

/** Tokens to think in, beside those of the answer. */
const THINKING_BUDGET: Readonly<Record<Exclude<ReasoningEffort, 'off'>, number>> = {
  low: 2_048,
  medium: 8_192,
  high: 16_384,
};

/** Marks the signature of thoughts that came encrypted as a whole (`redacted_thinking`). */
const REDACTED = 'redacted:';

const STOP_REASONS: Readonly<Record<string, StopReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  pause_turn: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_use',
  refusal: 'refusal',
};

export const createAdapter: AdapterFactory = (endpoint) => {
  const client = createClient(endpoint);
  return defineAdapter(endpoint, {
    async open(request, signal) {
      const response = await client.messages.create(toBody(request), { signal }).asResponse();
      await refuseDocument(response, endpoint.id);
      return response;
    },
    framing: serverEventsThatSay(({ type }) => type !== 'ping'),
    reader: createReader,
    describe,
  });
};

/** Everything that the SDK would otherwise take from the environment is hidden from it. */
function createClient(endpoint: ProviderEndpoint): Anthropic {
  const fetch = createFetch(endpoint);
  const keyless = endpoint.apiKey === '';
  const options = {
    // The SDK adds /v1 itself.
    baseURL: splitBaseUrl(endpoint.baseUrl).root,
    apiKey: keyless ? 'none' : endpoint.apiKey,
    maxRetries: 0,
    // Ours is shorter and covers the body too.
    timeout: endpoint.silenceMs + 1_000,
    fetch,
    logLevel: 'off' as const,
    defaultHeaders: {
      // Relays know the key by this header; Anthropic by the SDK's own.
      ...(keyless && { 'X-Api-Key': null }),
      Authorization: keyless ? null : `Bearer ${endpoint.apiKey}`,
      ...endpoint.headers,
    },
  };
  const client = withoutVariables('ANTHROPIC_', () => new Anthropic(options));
  makeLean(client, fetch);
  return client;
}

function toBody(request: ProviderRequest): MessageCreateParamsStreaming {
  const thinking = toThinking(request);
  const budget = thinking?.type === 'enabled' ? thinking.budget_tokens : 0;
  const asked = (request.maxOutputTokens ?? DEFAULT_MAX_TOKENS) + budget;
  return {
    model: request.model.id,
    max_tokens: Math.min(asked, request.model.maxTokens ?? asked),
    messages: toMessages(request.messages),
    stream: true,
    // Caches the longest prefix that repeats: system, tools and the conversation so far.
    cache_control: { type: 'ephemeral' },
    ...(request.system !== '' && { system: request.system }),
    ...(request.tools.length > 0 && { tools: request.tools.map(toTool) }),
    ...(thinking && { thinking }),
  };
}

/** None if the model's bound leaves no room to think in and still answer. */
function toThinking({ reasoning, model }: ProviderRequest): ThinkingConfigParam | undefined {
  if (reasoning === 'off') return undefined;
  const room = (model.maxTokens ?? Number.POSITIVE_INFINITY) - MIN_THINKING;
  const budget = Math.min(THINKING_BUDGET[reasoning], room);
  return budget < MIN_THINKING ? undefined : { type: 'enabled', budget_tokens: budget };
}

function toTool({ name, description, parameters }: ToolDefinition) {
  return { name, description, input_schema: { ...parameters, type: 'object' as const } };
}

/** Neighbours of one role become one message: a tool's result must stand beside what the user adds. */
function toMessages(messages: readonly ProviderMessage[]): MessageParam[] {
  const joined: { role: 'user' | 'assistant'; content: ContentBlockParam[] }[] = [];
  for (const message of messages) {
    const role = message.role === 'assistant' ? 'assistant' : 'user';
    const content = withoutLastThoughts(toBlocks(message));
    const previous = joined.at(-1);
    if (content.length === 0) continue;
    if (previous?.role === role) previous.content.push(...content);
    else joined.push({ role, content });
  }
  return joined;
}

/** A message that ends with a thought, or holds nothing else, is refused: its answer was stopped there. */
function withoutLastThoughts(blocks: ContentBlockParam[]): ContentBlockParam[] {
  const end = blocks.findLastIndex(({ type }) => !type.endsWith('thinking'));
  return blocks.slice(0, end + 1);
}

function toBlocks(message: ProviderMessage): ContentBlockParam[] {
  if (message.role === 'tool') {
    return message.content.map((result) => ({
      type: 'tool_result',
      tool_use_id: result.id,
      content: result.content,
      ...(result.isError && { is_error: true }),
    }));
  }
  return message.content.flatMap((block): ContentBlockParam[] => {
    switch (block.type) {
      case 'text':
        // An empty text block is refused.
        return block.text.trim() === '' ? [] : [{ type: 'text', text: block.text }];
      case 'image':
        return [toImage(block.mimeType, block.data)];
      case 'reasoning':
        return toThought(block);
      case 'tool_call':
        return [
          {
            type: 'tool_use',
            id: block.id,
            name: block.name,
            input: parseArguments(block.arguments),
          },
        ];
      default:
        return block satisfies never;
    }
  });
}

const IMAGE_TYPES = ['image/jpeg', 'image/png', 'image/gif', 'image/webp'] as const;

function toImage(mimeType: string, data: string): ContentBlockParam {
  // A type outside of the list is the API's to refuse; PNG is the nearest that the SDK can say.
  const media_type = IMAGE_TYPES.find((type) => type === mimeType) ?? 'image/png';
  return { type: 'image', source: { type: 'base64', media_type, data } };
}

/** Only thoughts that this API signed are taken back. */
function toThought(block: ReasoningBlock): ContentBlockParam[] {
  const { signature } = block;
  if (block.api !== API || signature === undefined) return [];
  if (signature.startsWith(REDACTED)) {
    return [{ type: 'redacted_thinking', data: signature.slice(REDACTED.length) }];
  }
  return [{ type: 'thinking', thinking: block.text, signature }];
}

function createReader(answer: AnswerEvents): ChunkReader {
  let stop: StopReason | undefined;
  let usage: WireObject = {};
  const blocks = createBlockReader(answer);

  return {
    read(event) {
      switch (event['type']) {
        case 'message_start':
          answer.start(textAt(event['message'], 'model'));
          usage = objectAt(event['message'], 'usage');
          answer.usage(toUsage(usage));
          return;
        case 'content_block_start':
          return blocks.start(countAt(event, 'index'), event['content_block']);
        case 'content_block_delta':
          return blocks.delta(countAt(event, 'index'), event['delta']);
        case 'content_block_stop':
          return blocks.stop(countAt(event, 'index'));
        case 'message_delta': {
          const reason = textAt(event['delta'], 'stop_reason');
          if (reason !== undefined) stop = rowOf(STOP_REASONS, reason) ?? 'stop';
          // Counts are cumulative: those that are absent, null or 0 here stay as they were.
          usage = { ...usage, ...positive(objectAt(event, 'usage')) };
          answer.usage(toUsage(usage));
          return;
        }
        case 'error':
          throw new UpstreamFault(told(event));
        default:
          // The documentation asks to expect events that are not known yet.
          return;
      }
    },
    stopReason: () => stop,
  };
}

/** Reads content blocks, which may arrive interleaved, by their index. */
function createBlockReader(answer: AnswerEvents) {
  const signatures = new Map<number, string>();
  /** Some relays send a call's whole input at its start and no pieces. */
  const wholeInputs = new Map<number, string>();

  return {
    start(index: number, block: unknown) {
      const type = textAt(block, 'type');
      if (type === 'text') answer.text(textAt(block, 'text') ?? '');
      if (type === 'thinking') answer.reasoning(textAt(block, 'thinking') ?? '');
      if (type === 'redacted_thinking') {
        signatures.set(index, REDACTED + (textAt(block, 'data') ?? ''));
      }
      if (type !== 'tool_use') return;
      const id = textAt(block, 'id');
      answer.toolCall(index, {
        ...(id !== undefined && { id }),
        name: textAt(block, 'name') ?? '',
      });
      const input = objectAt(block, 'input');
      if (Object.keys(input).length > 0) wholeInputs.set(index, JSON.stringify(input));
    },
    delta(index: number, delta: unknown) {
      const text = textAt(delta, 'text');
      if (text !== undefined) answer.text(text);
      const thinking = textAt(delta, 'thinking');
      if (thinking !== undefined) answer.reasoning(thinking);
      const signature = textAt(delta, 'signature');
      if (signature !== undefined) signatures.set(index, (signatures.get(index) ?? '') + signature);
      const json = textAt(delta, 'partial_json');
      if (json === undefined) return;
      wholeInputs.delete(index);
      answer.toolArguments(index, json);
    },
    stop(index: number) {
      const signature = signatures.get(index);
      if (signature !== undefined) answer.reasoningEnd(signature);
      const input = wholeInputs.get(index);
      if (input !== undefined) answer.toolArguments(index, input);
      answer.toolCallEnd(index);
    },
  };
}

function positive(counts: WireObject): WireObject {
  return Object.fromEntries(Object.entries(counts).filter(([name]) => countAt(counts, name) > 0));
}

/** Here the cached tokens are not part of `input_tokens`. */
function toUsage(usage: WireObject): Omit<Usage, 'total'> {
  return {
    input: countAt(usage, 'input_tokens'),
    output: countAt(usage, 'output_tokens'),
    cacheRead: countAt(usage, 'cache_read_input_tokens'),
    cacheWrite: countAt(usage, 'cache_creation_input_tokens'),
  };
}

function describe(error: unknown): UpstreamError {
  if (error instanceof SyntaxError) return { known: UNREADABLE };
  if (!(error instanceof APIError)) {
    const code = networkCode(error);
    if (code !== undefined) return { network: code };
    return error instanceof AnthropicError ? { network: 'UNKNOWN' } : {};
  }
  const status: unknown = error.status;
  const body: unknown = error.error;
  if (typeof status !== 'number' && !isObject(body)) {
    return { network: networkCode(error) ?? 'UNKNOWN' };
  }
  return {
    ...told(body),
    ...(typeof status === 'number' && { status }),
    ...(error.headers instanceof Headers && { headers: error.headers }),
    text: error.message,
  };
}

/** `{type: 'error', error: {type, message}}`, both as a body and as an event in the stream. */
function told(body: unknown): UpstreamError {
  const error = objectAt(body, 'error');
  const code = textAt(error, 'type');
  return {
    ...(code !== undefined && { codes: [code] }),
    text: textAt(error, 'message') ?? '',
  };
}
