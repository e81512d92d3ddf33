/** Images of messages, as they are shown: kept while the page is open, fetched one after the other. */

import { type Fields, fields, text } from '../wire.ts';

export interface Pictures {
  /** The address of an image that is here already. */
  known(id: string): string | undefined;
  keep(id: string, mimeType: string, base64: string): void;
  /**
   * Asks the gateway for it, after those that were asked for before. Nothing if it cannot be had
   * now, or if nobody wants it any more when its turn comes.
   */
  fetch(picture: Wanted, isWanted: () => boolean): Promise<string | undefined>;
}

interface Wanted {
  /** The page's own name for it: the same before and after the gateway has the message. */
  readonly id: string;
  readonly sessionKey: string;
  readonly artifactId: string;
}

/** Of the images of one message, by the turn that it began and their order in it. */
export function pictureId(runId: string, at: number): string {
  return `${runId}.${at}`;
}

/** Of all addresses together: base64, so three quarters of it in bytes. */
const MOST_CHARS = 40_000_000;

export function createPictures(
  request: (method: string, params: object) => Promise<Fields>,
): Pictures {
  const addresses = new Map<string, string>();
  let chars = 0;
  let queue: Promise<unknown> = Promise.resolve();

  const keep = (id: string, mimeType: string, base64: string): string => {
    const address = `data:${mimeType};base64,${base64}`;
    chars += address.length - (addresses.get(id)?.length ?? 0);
    addresses.delete(id);
    addresses.set(id, address);
    for (const [oldest, { length }] of addresses) {
      if (chars <= MOST_CHARS || oldest === id) break;
      addresses.delete(oldest);
      chars -= length;
    }
    return address;
  };

  const download = async ({ id, sessionKey, artifactId }: Wanted, isWanted: () => boolean) => {
    const known = addresses.get(id);
    if (known !== undefined || !isWanted()) return known;
    try {
      const reply = await request('artifacts.download', { sessionKey, artifactId });
      const data = text(reply['data']);
      const mimeType = text(fields(reply['artifact'])['mimeType']);
      return data === undefined || mimeType === undefined ? undefined : keep(id, mimeType, data);
    } catch {
      return undefined;
    }
  };

  return {
    known: (id) => addresses.get(id),
    keep,
    fetch(picture, isWanted) {
      // One at a time: between two of them, what else is said gets through.
      const found = queue.then(() => download(picture, isWanted));
      queue = found;
      return found;
    },
  };
}
