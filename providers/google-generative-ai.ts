/**
 * Google's Gemini API (`:streamGenerateContent`), and the only file that imports its SDK. Format:
 * https://ai.google.dev/api/generate-content.
 *
 * The SDK is the least accommodating: it takes no `fetch`, hides headers and causes, and keeps every
 * chunk until the end. It builds the request here and explains refusals; the answer we read ourselves.
 */

import {
  type Content,
  type GenerationConfig,
  GoogleGenerativeAI,
  GoogleGenerativeAIError,
  GoogleGenerativeAIFetchError,
  type Part,
  type RequestOptions,
} from '@google/generative-ai';
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
  ToolCallBlock,
  ToolDefinition,
  Usage,
} from './contract.ts';
import { networkCode, type UpstreamError } from './failures.ts';
import { lend, type WatchedFetch, watch } from './lent-fetch.ts';
import { refuseDocument, UNREADABLE } from './response.ts';
import { serverEvents } from './server-events.ts';
import { createFetch } from './transport.ts';
import {
  countAt,
  firstObjectAt,
  isText,
  objectAt,
  objectsAt,
  parseArguments,
  rowOf,
  textAt,
  type WireObject,
} from './wire.ts';

const API = 'google-generative-ai';

/** Tokens to think in; from https://ai.google.dev/gemini-api/docs/thinking. */
const THINKING_BUDGET: Readonly<Record<Exclude<ReasoningEffort, 'off'>, number>> = {
  low: 1_024,
  medium: 8_192,
  high: 24_576,
};

/**
 * Gemini 3 refuses a call without its signature, even one that another model made; this value is
 * documented for that case: https://ai.google.dev/gemini-api/docs/thought-signatures.
 */
const FOREIGN_CALL = 'skip_thought_signature_validator';

/** What Google calls an end that is none. */
const BROKEN_FINISH = new Set(['MALFORMED_FUNCTION_CALL', 'UNEXPECTED_TOOL_CALL']);

const STOP_REASONS: Readonly<Record<string, StopReason>> = {
  STOP: 'stop',
  MAX_TOKENS: 'length',
  SAFETY: 'content_filter',
  RECITATION: 'content_filter',
  LANGUAGE: 'content_filter',
  BLOCKLIST: 'content_filter',
  PROHIBITED_CONTENT: 'content_filter',
  SPII: 'content_filter',
  IMAGE_SAFETY: 'content_filter',
};

export const createAdapter: AdapterFactory = (endpoint) => {
  const { apiKey, options } = connection(endpoint);
  const client = new GoogleGenerativeAI(apiKey);
  const fetch = createFetch(endpoint);
  return defineAdapter(endpoint, {
    async open(request, signal) {
      const model = client.getGenerativeModel({ model: request.model.id }, options);
      const seen = watch(fetch);
      const asked = lend(seen.fetch, () =>
        model.generateContentStream(toBody(request), { signal }),
      );
      await asked.catch((error: unknown) => {
        throw explain(error, seen);
      });
      const response = seen.response() ?? new Response();
      await refuseDocument(response, endpoint.id);
      return response;
    },
    framing: serverEvents,
    reader: createReader,
    describe,
  });
};

/** What the SDK does not pass on: why there was no response, or the headers of a refusal. */
function explain(error: unknown, seen: WatchedFetch): unknown {
  if (seen.cause() !== undefined) return seen.cause();
  const headers = seen.response()?.headers;
  return headers ? new UpstreamFault({ ...describe(error), headers }) : error;
}

/** The SDK refuses some headers as custom ones, but has a place of its own for each. */
function connection(endpoint: ProviderEndpoint): { apiKey: string; options: RequestOptions } {
  const { root, version } = splitBaseUrl(endpoint.baseUrl);
  let { apiKey } = endpoint;
  let apiClient: string | undefined;
  const customHeaders: Record<string, string> = {};
  for (const [name, value] of Object.entries(endpoint.headers)) {
    const lower = name.toLowerCase();
    if (lower === 'x-goog-api-key') apiKey = value;
    else if (lower === 'x-goog-api-client') apiClient = value;
    // Custom headers are appended, and this one may stand only once.
    else if (lower !== 'content-type') customHeaders[name] = value;
  }
  const options = {
    baseUrl: root,
    apiVersion: version ?? 'v1beta',
    customHeaders,
    ...(apiClient !== undefined && { apiClient }),
  };
  return { apiKey, options };
}

function toBody(request: ProviderRequest) {
  const { system, tools } = request;
  return {
    contents: request.messages.flatMap((message) => toContent(message, request.model.id)),
    generationConfig: toConfig(request),
    ...(system !== '' && { systemInstruction: { role: 'system', parts: [{ text: system }] } }),
    ...(tools.length > 0 && { tools: [{ functionDeclarations: tools.map(toTool) }] }),
  };
}

function toConfig(request: ProviderRequest): GenerationConfig {
  // The SDK is older than thinking; it sends on what it does not know.
  return {
    ...(request.maxOutputTokens !== undefined && { maxOutputTokens: request.maxOutputTokens }),
    ...(request.reasoning !== 'off' && {
      thinkingConfig: {
        includeThoughts: true,
        thinkingBudget: THINKING_BUDGET[request.reasoning],
      },
    }),
  };
}

function toTool({ name, description, parameters }: ToolDefinition) {
  // `parameters` would take Google's own subset of JSON Schema only.
  return { name, description, parametersJsonSchema: parameters };
}

/** A part as the API defines it today; the SDK's type knows no signatures. */
type WirePart = Part & { thought?: boolean; thoughtSignature?: string };

function toContent(message: ProviderMessage, model: string): Content[] {
  const parts = toParts(message, model);
  if (parts.length === 0) return [];
  return [{ role: message.role === 'assistant' ? 'model' : 'user', parts }];
}

function toParts(message: ProviderMessage, model: string): WirePart[] {
  if (message.role === 'tool') {
    return message.content.map(({ name, content, isError }) => ({
      functionResponse: { name, response: isError ? { error: content } : { output: content } },
    }));
  }
  return message.content.flatMap((block): WirePart[] => {
    switch (block.type) {
      case 'text':
        return block.text === '' ? [] : [{ text: block.text }];
      case 'image':
        return [{ inlineData: { mimeType: block.mimeType, data: block.data } }];
      case 'reasoning':
        return toThought(block);
      case 'tool_call':
        return [toCall(block, model)];
      default:
        return block satisfies never;
    }
  });
}

/** A summary of thoughts is not asked back; a signature is, with the text that it stood at. */
function toThought(block: ReasoningBlock): WirePart[] {
  if (block.api !== API || block.signature === undefined) return [];
  const thought = block.text === '' ? {} : { thought: true };
  return [{ text: block.text, ...thought, thoughtSignature: block.signature }];
}

function toCall(block: ToolCallBlock, model: string): WirePart {
  const signature = block.signature ?? (/gemini-[3-9]/.test(model) ? FOREIGN_CALL : undefined);
  return {
    functionCall: { name: block.name, args: parseArguments(block.arguments) },
    ...(signature !== undefined && { thoughtSignature: signature }),
  };
}

function createReader(answer: AnswerEvents): ChunkReader {
  let stop: StopReason | undefined;
  let calls = 0;

  const readPart = (part: WireObject) => {
    const signature = textAt(part, 'thoughtSignature');
    const call = objectAt(part, 'functionCall');
    const name = textAt(call, 'name');
    if (name !== undefined) {
      const id = textAt(call, 'id');
      answer.toolCall(calls, {
        name,
        ...(id !== undefined && { id }),
        ...(signature !== undefined && { signature }),
      });
      answer.toolArguments(calls, JSON.stringify(objectAt(call, 'args')));
      answer.toolCallEnd(calls);
      calls += 1;
      return;
    }
    const text = textAt(part, 'text') ?? '';
    if (part['thought'] === true) answer.reasoning(text);
    else answer.text(text);
    if (signature !== undefined) answer.reasoningEnd(signature);
  };

  return {
    read(chunk) {
      answer.start(textAt(chunk, 'modelVersion'));
      throwIfFailed(chunk);
      const usage = objectAt(chunk, 'usageMetadata');
      if (Object.keys(usage).length > 0) answer.usage(toUsage(usage));
      const candidate = firstObjectAt(chunk, 'candidates');
      for (const part of objectsAt(objectAt(candidate, 'content'), 'parts')) readPart(part);
      const reason = textAt(candidate, 'finishReason');
      if (reason !== undefined && BROKEN_FINISH.has(reason)) {
        throw new UpstreamFault({ codes: ['UNAVAILABLE'] });
      }
      if (reason !== undefined) stop = rowOf(STOP_REASONS, reason) ?? 'stop';
    },
    stopReason: () => (stop === 'stop' && answer.calledTools() ? 'tool_use' : stop),
  };
}

/** Errors and a blocked prompt come as chunks of their own shape. */
function throwIfFailed(chunk: unknown): void {
  const error = objectAt(chunk, 'error');
  if (Object.keys(error).length > 0) throw new UpstreamFault(toUpstreamError(error));
  if (textAt(objectAt(chunk, 'promptFeedback'), 'blockReason') !== undefined) {
    const sentence = 'blocked the conversation under its content policy';
    throw new UpstreamFault({ known: { kind: 'refusal', sentence } });
  }
}

/** The prompt includes what came from the cache; thoughts count as output, but stand apart. */
function toUsage(usage: WireObject): Omit<Usage, 'total'> {
  const prompt = countAt(usage, 'promptTokenCount') + countAt(usage, 'toolUsePromptTokenCount');
  const cacheRead = Math.min(prompt, countAt(usage, 'cachedContentTokenCount'));
  const output = countAt(usage, 'candidatesTokenCount') + countAt(usage, 'thoughtsTokenCount');
  return { input: prompt - cacheRead, output, cacheRead, cacheWrite: 0 };
}

function describe(error: unknown): UpstreamError {
  if (error instanceof GoogleGenerativeAIFetchError) {
    const { status, message, errorDetails } = error;
    return {
      ...toUpstreamError({ message, details: errorDetails }),
      ...(status !== undefined && { status }),
    };
  }
  if (error instanceof SyntaxError) return { known: UNREADABLE };
  const code = networkCode(error);
  if (code !== undefined) return { network: code };
  return error instanceof GoogleGenerativeAIError ? { network: 'UNKNOWN' } : {};
}

/** Google's `Status`: https://cloud.google.com/apis/design/errors. */
function toUpstreamError(error: WireObject): UpstreamError {
  const details = objectsAt(error, 'details');
  const codes = [textAt(error, 'status'), ...details.map((detail) => textAt(detail, 'reason'))];
  const wait = details.map((detail) => seconds(textAt(detail, 'retryDelay'))).find(isNumber);
  const status = countAt(error, 'code');
  return {
    codes: codes.filter(isText),
    text: textAt(error, 'message') ?? '',
    ...(wait !== undefined && { retryAfterMs: wait }),
    ...(status > 0 && { status }),
  };
}

/** A protobuf duration, `"37.5s"`, in milliseconds. */
function seconds(duration: string | undefined): number | undefined {
  const match = /^(\d+(?:\.\d+)?)s$/.exec(duration ?? '');
  return match ? Math.round(Number(match[1]) * 1000) : undefined;
}

function isNumber(value: number | undefined): value is number {
  return value !== undefined;
}
