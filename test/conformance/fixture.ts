/** What the conformance suite asks of each API: its true bytes, and what they mean. */

import type { StopReason, Usage } from '../../providers/contract.ts';
import type { FailureKind } from '../../providers/errors.ts';
import type { ToolCall } from '../providers/calls.ts';

/** An answer with an HTTP status other than 200, as this API words it. */
export interface ErrorReply {
  status: number;
  headers?: Readonly<Record<string, string>>;
  body: string;
}

export interface Fixture {
  /** Pages of the vendor's documentation that the bytes follow. */
  sources: readonly string[];
  contentType: string;
  /** What is appended to the server's address in `baseUrl` → the path that must be called. */
  paths: Readonly<Record<string, string>>;
  /** Recorded streams in this folder. Shown as they are; the numbers are the vendor's examples'. */
  streams: {
    /** Short, with characters of two, three and four bytes. */
    plain: { file: string; text: string; model: string; usage: Usage };
    /** Several calls in parallel; in pieces and interleaved, where the API can. */
    tools: { file: string; calls: readonly (Omit<ToolCall, 'id'> & { id?: string })[] };
    /** `returned`: what the next request must hold, anywhere in its body, for the API to know its thoughts again. */
    reasoning: { file: string; reasoning: string; text: string; returned: readonly string[] };
    refusal: { file: string; text: string; end: StopReason | FailureKind };
  };

  /* The same in pieces, for streams that the suite makes up. Each string is one event. */

  /** From the headers to just before the first token. May be empty. */
  head: readonly string[];
  token(text: string): string;
  /** Reasoning alone, from the headers to its first piece and in pieces. */
  thought: { head: readonly string[]; piece(text: string): string };
  /** One tool call whose arguments come in pieces of JSON text; null for an API that sends calls whole. */
  toolCall: { head: readonly string[]; piece(json: string): string } | null;
  /** What the API or its relays send only to keep the connection open; null if there is no such thing. */
  keepAlive: string | null;
  /** The end of an answer for this reason (the API's word), with the given count of prompt tokens. */
  end(reason: string, promptTokens: number): readonly string[];
  /** The API's reasons, the first being the ordinary end. */
  stops: readonly (readonly [string, StopReason])[];
  /** Where the API's reason for a bounded answer. */
  lengthStop: string;
  /** An error in mid-stream; `text` is the vendor's free text. */
  errorEvent(text: string): string;
  errorEventKind: FailureKind;

  /** An error with this status and free text in the API's own form. */
  error(status: number, text: string): ErrorReply;
  /** A rate limit that asks to wait 7 seconds. */
  rateLimit: ErrorReply;
  contextTooLong: readonly ErrorReply[];
  /** Statuses whose kind is not the common one, by the API's codes or wording. */
  special?: readonly { reply: ErrorReply; kind: FailureKind }[];

  /** The whole body in which this API is told the conversation of `conversation.ts`; what is not listed is not sent. */
  request: object;
  /** The image of a request, as this API was given it. */
  image(body: unknown): { mimeType?: string; data: string };
  /** The header that carries the key, and its value for the key `KEY`. */
  authorization: readonly [string, string];
}
