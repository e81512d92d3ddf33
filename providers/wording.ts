/**
 * Vendors' codes and wordings that say more than the HTTP status. Matched against what upstream
 * sent, which goes no further. Each row names the API or server whose documentation, source or
 * answer it is taken from.
 */

import type { FailureKind } from './errors.ts';
import { rowOf } from './wire.ts';

const KIND_BY_CODE: Readonly<Record<string, FailureKind>> = {
  // OpenAI, both APIs; also vLLM, One-API pass-through.
  context_length_exceeded: 'context_length',
  invalid_api_key: 'auth',
  insufficient_quota: 'rate_limit',
  rate_limit_exceeded: 'rate_limit',
  content_policy_violation: 'refusal',
  invalid_prompt: 'refusal',
  server_error: 'unavailable',
  // Azure OpenAI.
  content_filter: 'refusal',
  // llama.cpp server.
  exceed_context_size_error: 'context_length',
  // One-API and New API: a token or a user without credit, answered with 403.
  insufficient_user_quota: 'rate_limit',
  pre_consume_token_quota_failed: 'rate_limit',
  // Anthropic `error.type`, also inside a stream, where there is no status.
  authentication_error: 'auth',
  permission_error: 'auth',
  billing_error: 'rate_limit',
  rate_limit_error: 'rate_limit',
  timeout_error: 'timeout',
  api_error: 'unavailable',
  overloaded_error: 'unavailable',
  // Google `error.status` and `ErrorInfo.reason`.
  API_KEY_INVALID: 'auth',
  UNAUTHENTICATED: 'auth',
  PERMISSION_DENIED: 'auth',
  RESOURCE_EXHAUSTED: 'rate_limit',
  DEADLINE_EXCEEDED: 'timeout',
  INTERNAL: 'unavailable',
  UNAVAILABLE: 'unavailable',
};

/** The conversation does not fit. Asked of 400, 413, 422, 500 and stream errors alike. */
const CONTEXT_LENGTH: readonly RegExp[] = [
  /maximum (?:context|prompt) length/i, // OpenAI, vLLM, OpenRouter, DeepSeek; xAI ("prompt")
  /exceeds? (?:the|this model's) (?:available )?context (?:window|size|length)/i, // OpenAI Responses, llama.cpp, Ollama
  /context (?:window|length) (?:is )?exceed/i, // MiniMax, gateways
  /exceed context limit/i, // Anthropic: input and max_tokens together
  /prompt is too long/i, // Anthropic
  /input is too long/i, // Amazon Bedrock
  /input token count.*exceeds the maximum/i, // Google
  /reduce the length of the (?:messages|prompt|input)/i, // OpenAI, Groq
  /too large for model with \d+ maximum context/i, // Mistral
  /exceeded model token limit/i, // Moonshot
  /input length should be/i, // Alibaba DashScope: "Range of input length should be [1, 30720]"
  /greater than the context length/i, // LM Studio
  /too many (?:input )?tokens/i, // Cohere, Cloudflare
];

const OTHER: readonly (readonly [RegExp, FailureKind])[] = [
  [/api key not valid|incorrect api key|invalid api key/i, 'auth'], // Google answers 400; OpenAI
  [/credit balance is too low/i, 'rate_limit'], // Anthropic answers 400
];

/** Statuses whose meaning no wording may change. "Too many tokens per minute" is a rate limit. */
const STATUS_WINS: ReadonlySet<number> = new Set([401, 429]);

/** The kind that a vendor's codes or sentence prove, if any. */
export function kindByWording(
  codes: readonly string[],
  text: string,
  status: number | undefined,
): FailureKind | undefined {
  if (status !== undefined && STATUS_WINS.has(status)) return undefined;
  const coded = codes.map((code) => rowOf(KIND_BY_CODE, code)).find((kind) => kind !== undefined);
  // A generic code such as `invalid_request_error` is absent from the table: the sentence decides.
  if (coded && coded !== 'unavailable' && coded !== 'rate_limit') return coded;
  if (CONTEXT_LENGTH.some((pattern) => pattern.test(text))) return 'context_length';
  return coded ?? OTHER.find(([pattern]) => pattern.test(text))?.[1];
}
