/**
 * The contract between an LLM API and the rest of the house: one request goes in, one stream of
 * events comes out. Every adapter implements `ProviderAdapter`; nobody above it knows which SDK
 * speaks. Failures travel in the stream; an adapter never throws and never rejects.
 */

import type { ProviderFailure } from './errors.ts';
import type { OpenAiCompat } from './openai-compat.ts';

export interface TextBlock {
  type: 'text';
  text: string;
}

export interface ImageBlock {
  type: 'image';
  /** IANA media type, e.g. `image/png`. */
  mimeType: string;
  /** Base64 without a `data:` prefix. */
  data: string;
}

/** Text that the model thought but did not say, in the form that its API wants back. */
export interface ReasoningBlock {
  type: 'reasoning';
  text: string;
  /** Opaque proof that the API issued this text; returned verbatim with it. */
  signature?: string;
  /** The API that produced it: no other API is shown this block. */
  api: string;
}

export interface ToolCallBlock {
  type: 'tool_call';
  id: string;
  name: string;
  /** JSON text as the model wrote it; may be invalid. */
  arguments: string;
  /** Opaque token that some APIs attach to a call and want back with it. */
  signature?: string;
}

export interface ToolResultBlock {
  type: 'tool_result';
  /** The id of the call this answers. */
  id: string;
  name: string;
  content: string;
  isError: boolean;
}

/** What came before, oldest first. Roles need not alternate: an adapter joins neighbours if its API asks for it. */
export type ProviderMessage =
  | { role: 'user'; content: readonly (TextBlock | ImageBlock)[] }
  | { role: 'assistant'; content: readonly (TextBlock | ReasoningBlock | ToolCallBlock)[] }
  | { role: 'tool'; content: readonly ToolResultBlock[] };

export interface ToolDefinition {
  name: string;
  description: string;
  /** JSON Schema (draft 2020-12 subset) of the arguments object. */
  parameters: Readonly<Record<string, unknown>>;
}

export type ReasoningEffort = 'off' | 'low' | 'medium' | 'high';

/** One model as an endpoint serves it. Capabilities are checked before the call. */
export interface ModelInfo {
  /** Name that the API knows, e.g. `gpt-5`. */
  id: string;
  /** Kinds of input the model takes. */
  input: readonly ('text' | 'image')[];
  /** Whether the model can think before it answers. */
  reasoning: boolean;
  /** Whether the model can call tools; absent: it can. */
  tools?: boolean;
  /** Tokens that prompt and answer share. */
  contextWindow: number;
  /** What the model itself holds, if that is known: `contextWindow` may be a guess, or less by choice. */
  fullContextWindow?: number;
  /** Most tokens of one answer; absent: the API's own default. */
  maxTokens?: number;
}

export interface ProviderRequest {
  model: ModelInfo;
  system: string;
  messages: readonly ProviderMessage[];
  tools: readonly ToolDefinition[];
  /** Most tokens of this answer; absent: the model's `maxTokens`, else the API's default. */
  maxOutputTokens?: number;
  reasoning: ReasoningEffort;
  /** Aborting closes the upstream connection at once, whatever the state of the stream. */
  signal: AbortSignal;
}

/** Tokens, normalised: `input` excludes `cacheRead` and `cacheWrite`; `total` is the sum of all four. */
export interface Usage {
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
  total: number;
}

/** Why the model ended by itself. `refusal`, `length` and so on are answers, not failures. */
export type StopReason = 'stop' | 'length' | 'tool_use' | 'refusal' | 'content_filter';

/**
 * In order: `start`, then any of the middle events, then exactly one of `done` and `error`
 * (`error` may come first). Deltas are non-empty and never split a surrogate pair.
 */
export type ProviderEvent =
  /** The answer has begun. `model` is the name that the endpoint says answered. */
  | { type: 'start'; model?: string }
  | { type: 'text'; delta: string }
  | { type: 'reasoning'; delta: string }
  /** A stretch of reasoning is complete; `signature` belongs to the text streamed since the last one. */
  | { type: 'reasoning_end'; signature?: string }
  | { type: 'tool_call_start'; id: string; name: string; signature?: string }
  | { type: 'tool_call_delta'; id: string; delta: string }
  | { type: 'tool_call_end'; id: string }
  /** The last one counts. */
  | { type: 'usage'; usage: Usage }
  | { type: 'done'; stopReason: StopReason }
  | { type: 'error'; failure: ProviderFailure };

/** One configured endpoint: `models.providers.<id>` of openclaw.json, resolved. */
export interface ProviderEndpoint {
  /** The `<id>` in `models.providers`; names the provider in failures and logs. */
  id: string;
  /** With or without its version segment; the adapter adds what its API needs. */
  baseUrl: string;
  apiKey: string;
  /** Sent with each request, over the SDK's own. */
  headers: Readonly<Record<string, string>>;
  /**
   * The longest silence in milliseconds: before headers, before the first token, between tokens. What
   * only keeps the connection open (SSE comments, `ping` events) does not end a silence: relays send it
   * for as long as a model that never answers is waited for.
   */
  silenceMs: number;
  /** How long the body of an error may take, in milliseconds; absent: a few seconds. Its status is known by then. */
  errorBodyMs?: number;
  /** What this endpoint does differently from what is known of it; OpenAI-compatible APIs only. */
  compat?: Partial<OpenAiCompat>;
  /** Told what upstream said of a failure, unredacted: for an operator's own terminal, never for a log or a user. */
  onUpstreamText?: (text: string) => void;
}

/**
 * One answer. Iterating asks and streams; never throws; ends after exactly one terminal event, also when aborted. Whoever
 * leaves early closes the connection.
 */
export interface AnswerStream extends AsyncIterable<ProviderEvent> {
  /**
   * The same for a caller that takes each event as it comes: no promise for each token. Resolves behind the terminal
   * event. An adapter may do without; `adapter.ts` has it for all that are made there.
   */
  forEach?(take: (event: ProviderEvent) => void): Promise<void>;
}

/** Streams one answer for each call. */
export type ProviderAdapter = (request: ProviderRequest) => AnswerStream;

/** Made once per endpoint and kept, so that its connections are reused. */
export type AdapterFactory = (endpoint: ProviderEndpoint) => ProviderAdapter;
