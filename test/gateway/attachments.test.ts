/** How large the attachments of one message may be, each and together. */

import { expect, test } from 'vitest';
import { imageBudget } from '../../agents/image-budget.ts';
import { decodeAttachments } from '../../gateway/attachments.ts';
import { RequestError } from '../../gateway/methods/method.ts';

const image = (bytes: number) => ({
  mimeType: 'image/png',
  content: Buffer.alloc(bytes, 1).toString('base64'),
});

/** The detail code of what refuses them, if anything does. */
function refusalOf(sizes: readonly number[], maxTotalBytes: number): unknown {
  try {
    decodeAttachments(sizes.map(image), { maxBytes: 100, maxTotalBytes });
    return undefined;
  } catch (error) {
    return error instanceof RequestError ? error.error.details : error;
  }
}

test('together they may be as large as one call of a model may be, and no larger', () => {
  expect(refusalOf([100, 100, 50], 250)).toBeUndefined();
  expect(refusalOf([100, 100, 51], 250)).toMatchObject({
    code: 'ATTACHMENT_TOO_LARGE',
    maxTotalBytes: 250,
  });
  expect(refusalOf([101], 250)).toMatchObject({ code: 'ATTACHMENT_TOO_LARGE', maxBytes: 100 });
});

test('one image that an operator allows is never too large for the whole', () => {
  const MIB = 1024 * 1024;
  expect(imageBudget({ mediaMaxBytes: 5 * MIB })).toBe(20 * MIB);
  expect(imageBudget({ mediaMaxBytes: 64 * MIB })).toBe(64 * MIB);
});
