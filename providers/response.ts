/** Answers that are no stream of the expected kind, whatever the API. */

import { UpstreamFault } from './adapter.ts';
import { bodyOf } from './transport.ts';
import { isObject, isText, textAt, type WireObject } from './wire.ts';
import { kindByWording } from './wording.ts';

export const UNREADABLE = {
  kind: 'unavailable',
  sentence: 'sent an answer that cannot be read',
} as const;

/** https://www.iana.org/assignments/http-parameters, content codings. */
const PACKED = /\b(?:(?:x-)?(?:gzip|compress)|deflate|br|zstd)\b/i;

/** What says why stands at the beginning. */
const MAX_DOCUMENT_BYTES = 64 * 1024;

/**
 * Throws if a page, a whole document or packed bytes came where a stream belongs: an SDK would read it as a stream
 * without events. A document may be an error that came with the status of success, as some relays send it; else the
 * base URL most often leads to a web interface.
 */
export async function refuseDocument(response: Response, provider: string): Promise<void> {
  // Some say "none" of what is plain, to keep a proxy from packing it.
  if (PACKED.test(response.headers.get('content-encoding') ?? '')) {
    const sentence = 'answered in a packed form, which nobody had asked for';
    throw new UpstreamFault({ known: { kind: 'unavailable', sentence } });
  }
  const type = response.headers.get('content-type') ?? '';
  if (!/html|application\/json/i.test(type)) return;
  const error = /json/i.test(type) ? await errorIn(response) : undefined;
  if (error) throw new UpstreamFault(error);
  const sentence = `answered with a document instead of a stream; check models.providers.${provider}.baseUrl`;
  throw new UpstreamFault({ status: response.status, known: { kind: 'unavailable', sentence } });
}

/** `{error: {code, type, message}}`, or `{error: "…"}`, if its words are known. */
async function errorIn(response: Response): Promise<{ codes: string[]; text: string } | undefined> {
  const document = objectIn(await textOf(response));
  if (!document) return undefined;
  const error = isObject(document['error']) ? document['error'] : document;
  const codes = ['code', 'type', 'status'].map((field) => textAt(error, field)).filter(isText);
  const text = textAt(error, 'message') ?? textAt(document, 'error') ?? '';
  return kindByWording(codes, text, undefined) ? { codes, text } : undefined;
}

async function textOf(response: Response): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  await bodyOf(response).forEach((piece) => {
    pieces.push(piece);
    bytes += piece.byteLength;
    return bytes >= MAX_DOCUMENT_BYTES;
  });
  return Buffer.concat(pieces).toString();
}

function objectIn(text: string): WireObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
