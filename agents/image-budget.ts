/** How many bytes of images go along with one call of a model, and what stands in the place of the others. */

import type { AgentDefinition } from './definition.ts';
import type { ContentBlock, SpokenMessage } from './sessions/store.ts';

/**
 * Of all images of a call together. In base64 and JSON they are in memory more than once, and are written in one
 * turn of the event loop; and 28 MB of base64 is about what vendors take in one request.
 */
const IMAGE_BYTES = 20 * 1024 * 1024;

export const LEFT_OUT = '[An image stood here. Only the newest images are sent.]';

/** Bytes that the images of one call may take, and so those of one message: a single one that may be sent fits. */
export function imageBudget({ mediaMaxBytes }: Pick<AgentDefinition, 'mediaMaxBytes'>): number {
  return Math.max(IMAGE_BYTES, mediaMaxBytes);
}

/**
 * Called with one message after the other, newest first: replaces the first image that does not fit into so many
 * bytes, and all that come behind it, by a remark. Only sizes are looked at, no image is read.
 */
export function createImageFilter(maxBytes: number): (message: SpokenMessage) => SpokenMessage {
  let left = maxBytes;
  const fitting = (block: ContentBlock): ContentBlock => {
    if (block.type !== 'image') return block;
    // Once below zero, it stays there.
    left -= block.sizeBytes;
    return left >= 0 ? block : { type: 'text', text: LEFT_OUT };
  };
  return (message) => {
    const hasImages = message.content.some(({ type }) => type === 'image');
    return hasImages ? { ...message, content: message.content.map(fitting) } : message;
  };
}
