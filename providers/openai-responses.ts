/**
 * OpenAI's Responses API (`POST /v1/responses`). Format:
 * https://platform.openai.com/docs/api-reference/responses-streaming. Nothing is stored upstream:
 * the whole conversation is sent each time, and thoughts come back encrypted.
 */

import { type ChunkReader, defineAdapter, UpstreamFault } from './adapter.ts';
import type { AnswerEvents } from './answer-events.ts';
import type {
  AdapterFactory,
  ProviderMessage,
  ProviderRequest,
  ReasoningBlock,
  StopReason,
  ToolDefinition,
  Usage,
} from './contract.ts';
import {
  describeOpenAiError,
  openAiClient,
  type ResponseCreateParamsStreaming,
  type ResponseInputItem,
  streamError,
} from './openai-sdk.ts';
import { refuseDocument } from './response.ts';
import { serverEvents } from './server-events.ts';
import {
  countAt,
  isObject,
  objectAt,
  parseArguments,
  rowOf,
  textAt,
  type WireObject,
} from './wire.ts';

const API = 'openai-responses';

export const createAdapter: AdapterFactory = (endpoint) => {
  const client = openAiClient(endpoint);
  return defineAdapter(endpoint, {
    async open(request, signal) {
      const response = await client.responses.create(toBody(request), { signal }).asResponse();
      await refuseDocument(response, endpoint.id);
      return response;
    },
    framing: serverEvents,
    reader: createReader,
    describe: describeOpenAiError,
  });
};

function toBody(request: ProviderRequest): ResponseCreateParamsStreaming {
  return {
    model: request.model.id,
    input: request.messages.flatMap(toItems),
    stream: true,
    store: false,
    ...(request.system !== '' && { instructions: request.system }),
    ...(request.tools.length > 0 && { tools: request.tools.map(toTool) }),
    ...(request.maxOutputTokens !== undefined && { max_output_tokens: request.maxOutputTokens }),
    // Encrypted thoughts may be asked of reasoning models only.
    ...(request.model.reasoning && { include: ['reasoning.encrypted_content'] }),
    ...(request.reasoning !== 'off' && {
      reasoning: { effort: request.reasoning, summary: 'auto' },
    }),
  };
}

function toTool({ name, description, parameters }: ToolDefinition) {
  // Strict mode would refuse schemas with optional properties.
  return {
    type: 'function' as const,
    name,
    description,
    parameters: { ...parameters },
    strict: false,
  };
}

function toItems(message: ProviderMessage): ResponseInputItem[] {
  if (message.role === 'tool') {
    return message.content.map((result) => ({
      type: 'function_call_output',
      call_id: result.id,
      output: result.content,
    }));
  }
  if (message.role === 'user') {
    return [
      {
        role: 'user',
        content: message.content.map((block) =>
          block.type === 'text'
            ? { type: 'input_text', text: block.text }
            : {
                type: 'input_image',
                image_url: `data:${block.mimeType};base64,${block.data}`,
                detail: 'auto',
              },
        ),
      },
    ];
  }
  return message.content.flatMap((block, index): ResponseInputItem[] => {
    if (block.type === 'text') return [{ role: 'assistant', content: block.text }];
    if (block.type === 'tool_call') {
      const { id, name } = block;
      return [{ type: 'function_call', call_id: id, name, arguments: block.arguments || '{}' }];
    }
    // A thought that nothing follows is refused.
    const followed = message.content.slice(index + 1).some((later) => later.type !== 'reasoning');
    return followed ? toThought(block) : [];
  });
}

/** The signature holds what the API needs to know its own thought again. */
function toThought(block: ReasoningBlock): ResponseInputItem[] {
  if (block.api !== API || block.signature === undefined) return [];
  const kept = parseArguments(block.signature);
  const id = textAt(kept, 'id');
  const encrypted = textAt(kept, 'encrypted_content');
  if (id === undefined || encrypted === undefined) return [];
  const summary = block.text === '' ? [] : [{ type: 'summary_text' as const, text: block.text }];
  return [{ type: 'reasoning', id, encrypted_content: encrypted, summary }];
}

function createReader(answer: AnswerEvents): ChunkReader {
  let stop: StopReason | undefined;
  let refused = false;
  const items = createItemReader(answer);
  const text = (event: WireObject) => answer.text(textAt(event, 'delta') ?? '');
  const reasoning = (event: WireObject) => answer.reasoning(textAt(event, 'delta') ?? '');
  const end = (event: WireObject, reason: StopReason) => {
    const usage = objectAt(objectAt(event, 'response'), 'usage');
    if (Object.keys(usage).length > 0) answer.usage(toUsage(usage));
    stop = reason;
  };

  const handlers: Readonly<Record<string, (event: WireObject) => void>> = {
    'response.created': (event) => answer.start(textAt(event['response'], 'model')),
    'response.output_item.added': items.added,
    'response.output_item.done': items.done,
    'response.output_text.delta': text,
    'response.refusal.delta': (event) => {
      refused = true;
      text(event);
    },
    'response.reasoning_summary_part.added': (event) => {
      if (countAt(event, 'summary_index') > 0) answer.reasoning('\n\n');
    },
    'response.reasoning_summary_text.delta': reasoning,
    'response.reasoning_text.delta': reasoning,
    'response.function_call_arguments.delta': items.argumentsDelta,
    'response.completed': (event) => end(event, completed(answer.calledTools(), refused)),
    'response.incomplete': (event) => end(event, incomplete(event)),
    'response.failed': (event) => {
      throw new UpstreamFault(streamError(objectAt(event['response'], 'error')));
    },
    // Its fields stand in the event itself; relays put them one level deeper, as chat completions have them.
    error: ({ code, message, error }) => {
      throw new UpstreamFault(streamError(isObject(error) ? error : { code, message }));
    },
  };

  return {
    // Other types are beginnings and ends of parts, and tools that we do not offer.
    read: (event) => rowOf(handlers, textAt(event, 'type') ?? '')?.(event),
    stopReason: () => stop,
  };
}

function completed(calledTools: boolean, refused: boolean): StopReason {
  if (calledTools) return 'tool_use';
  return refused ? 'refusal' : 'stop';
}

function incomplete(event: WireObject): StopReason {
  const details = objectAt(objectAt(event, 'response'), 'incomplete_details');
  return textAt(details, 'reason') === 'content_filter' ? 'content_filter' : 'length';
}

/** Reads output items, several of which may be under way, by their index. */
function createItemReader(answer: AnswerEvents) {
  /** Calls whose arguments have come in pieces. */
  const inPieces = new Set<number>();
  return {
    added: (event: WireObject) => {
      const item = objectAt(event, 'item');
      if (item['type'] !== 'function_call') return;
      const id = textAt(item, 'call_id');
      const name = textAt(item, 'name') ?? '';
      answer.toolCall(countAt(event, 'output_index'), { ...(id !== undefined && { id }), name });
    },
    argumentsDelta: (event: WireObject) => {
      const index = countAt(event, 'output_index');
      inPieces.add(index);
      answer.toolArguments(index, textAt(event, 'delta') ?? '');
    },
    done: (event: WireObject) => {
      const index = countAt(event, 'output_index');
      const item = objectAt(event, 'item');
      if (item['type'] === 'function_call') {
        if (!inPieces.has(index)) answer.toolArguments(index, textAt(item, 'arguments') ?? '');
        answer.toolCallEnd(index);
      }
      if (item['type'] !== 'reasoning') return;
      const id = textAt(item, 'id');
      const encrypted = textAt(item, 'encrypted_content');
      const kept = id !== undefined && encrypted !== undefined;
      answer.reasoningEnd(kept ? JSON.stringify({ id, encrypted_content: encrypted }) : undefined);
    },
  };
}

/** `input_tokens` includes what came from the cache. */
function toUsage(usage: WireObject): Omit<Usage, 'total'> {
  const prompt = countAt(usage, 'input_tokens');
  const details = objectAt(usage, 'input_tokens_details');
  const cacheRead = Math.min(prompt, countAt(details, 'cached_tokens'));
  const cacheWrite = Math.min(prompt - cacheRead, countAt(details, 'cache_write_tokens'));
  const output = countAt(usage, 'output_tokens');
  return { input: prompt - cacheRead - cacheWrite, output, cacheRead, cacheWrite };
}
