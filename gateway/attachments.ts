/** What clients attach to a message → bytes, or a refusal that says which one and why. */

import type { Attachment } from '../agents/sessions/store.ts';
import { refuse } from './methods/method.ts';

/** Parameter schema; the shape is the published `ChatSendParams.attachments`. */
export const ATTACHMENTS = {
  type: 'array',
  maxItems: 20,
  items: {
    type: 'object',
    properties: {
      type: { type: 'string' },
      mimeType: { type: 'string', maxLength: 128 },
      fileName: { type: 'string', maxLength: 512 },
      content: {},
    },
  },
} as const;

export interface WireAttachment {
  mimeType?: string;
  fileName?: string;
  content?: unknown;
}

/** What the models behind the four APIs take. */
const IMAGE_TYPES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);

const DATA_URL = /^data:([a-z]+\/[a-z0-9.+-]+);base64,/;

/** In bytes, decoded. */
export interface AttachmentLimits {
  /** Of each one. */
  maxBytes: number;
  /** Of all of one message together. */
  maxTotalBytes: number;
}

/** @throws {RequestError} for the first one that is not acceptable, or if they are too large together. */
export function decodeAttachments(
  given: readonly WireAttachment[],
  { maxBytes, maxTotalBytes }: AttachmentLimits,
): Attachment[] {
  let total = 0;
  return given.map((each, index) => {
    const decoded = decode(each, `attachment ${index + 1}`, maxBytes);
    total += decoded.bytes.byteLength;
    if (total > maxTotalBytes) return tooLargeTogether(maxTotalBytes);
    return decoded;
  });
}

function decode(given: WireAttachment, name: string, maxBytes: number): Attachment {
  if (typeof given.content !== 'string' || given.content === '') {
    return refuse('ATTACHMENT_INVALID', `${name}: content must be base64 text`);
  }
  const prefix = DATA_URL.exec(given.content.slice(0, 200));
  const base64 = prefix ? given.content.slice(prefix[0].length) : given.content;
  const mimeType = given.mimeType ?? prefix?.[1] ?? '';
  if (!IMAGE_TYPES.has(mimeType)) {
    const served = [...IMAGE_TYPES].join(', ');
    return refuse('ATTACHMENT_INVALID', `${name}: only images are served (${served})`);
  }
  // Four characters of base64 are three bytes: judged before anything is decoded.
  if (Math.floor((base64.length * 3) / 4) - 2 > maxBytes) return tooLarge(name, maxBytes);
  const bytes = Buffer.from(base64, 'base64');
  // Buffer skips what is not base64; a text that does not come back was not base64.
  if (bytes.length === 0 || bytes.length < Math.floor((base64.length * 3) / 4) - 2) {
    return refuse('ATTACHMENT_INVALID', `${name}: content is not base64`);
  }
  if (bytes.length > maxBytes) return tooLarge(name, maxBytes);
  const fileName = given.fileName?.toWellFormed();
  return { mimeType, bytes, ...(fileName !== undefined && { fileName }) };
}

function tooLarge(name: string, maxBytes: number): never {
  return refuse('ATTACHMENT_TOO_LARGE', `${name}: larger than ${maxBytes} bytes`, { maxBytes });
}

/** What no model could be sent at once is refused before it is stored: it could not be answered. */
function tooLargeTogether(maxTotalBytes: number): never {
  const message = `the attachments: larger than ${maxTotalBytes} bytes together`;
  return refuse('ATTACHMENT_TOO_LARGE', message, { maxTotalBytes });
}
