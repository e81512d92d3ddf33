/** Files that a user gives → images that the gateway takes, or a sentence that says why not. */

import type { Attachment } from '../store/outbox.ts';
import type { Texts } from '../text-en.ts';

export interface Limits {
  readonly maxPayload: number;
  /** Undefined: images are not taken. */
  readonly maxImageBytes: number | undefined;
}

const TYPES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);
/** The gateway takes twenty; a page of thumbnails should stay readable. */
export const MOST_IMAGES = 10;

export async function readFiles(
  files: readonly File[],
  limits: Limits,
  t: Texts,
): Promise<{ images: readonly Attachment[]; problem: string | undefined }> {
  const images: Attachment[] = [];
  let problem: string | undefined;
  for (const file of files) {
    const wrong = judge(file, limits, t);
    // One more than is taken, so that who adds them sees that there were too many.
    if (wrong === undefined && images.length <= MOST_IMAGES) {
      images.push({
        name: file.name || 'image',
        mimeType: file.type,
        base64: await base64Of(file),
      });
    } else {
      problem ??= wrong;
    }
  }
  return { images, problem };
}

function judge(file: File, limits: Limits, t: Texts): string | undefined {
  const { maxImageBytes } = limits;
  if (maxImageBytes === undefined) return t.noImages;
  if (!TYPES.has(file.type)) return t.imageType(file.name);
  if (file.size <= maxImageBytes) return undefined;
  return t.imageTooLarge(file.name, (maxImageBytes / 1024 / 1024).toFixed(1));
}

function base64Of(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener('load', () => {
      const url = typeof reader.result === 'string' ? reader.result : '';
      resolve(url.slice(url.indexOf(',') + 1));
    });
    reader.addEventListener('error', () => reject(new Error('the file cannot be read')));
    reader.readAsDataURL(file);
  });
}
