/**
 * What the page keeps on this device, per user and instance. Storage may be full or forbidden; then
 * things are kept for as long as the page is open.
 */

import { parseJson } from './wire.ts';

export interface Shelf {
  read(name: string): unknown;
  /** False if the value could not be kept. */
  write(name: string, value: unknown): boolean;
  remove(name: string): void;
  /** Names that begin so. */
  names(prefix: string): string[];
}

const ROOT = 'oc_chat:';

export function openShelf(userId: string, instanceId: string): Shelf {
  const at = `${ROOT}${userId}:${instanceId}:`;
  return {
    read(name) {
      try {
        return parseJson(localStorage.getItem(at + name) ?? '');
      } catch {
        return undefined;
      }
    },
    write(name, value) {
      try {
        localStorage.setItem(at + name, JSON.stringify(value));
        return true;
      } catch {
        return false;
      }
    },
    remove(name) {
      try {
        localStorage.removeItem(at + name);
      } catch {
        // Forbidden storage holds nothing.
      }
    },
    names(prefix) {
      try {
        return Object.keys(localStorage)
          .filter((key) => key.startsWith(at + prefix))
          .map((key) => key.slice(at.length));
      } catch {
        return [];
      }
    },
  };
}

/** A setting of the device, the same for everybody who uses it. */
export function readSetting(name: string): string | undefined {
  try {
    return localStorage.getItem(`oc_chat_set:${name}`) ?? undefined;
  } catch {
    return undefined;
  }
}

export function writeSetting(name: string, value: string): void {
  try {
    localStorage.setItem(`oc_chat_set:${name}`, value);
  } catch {
    // It then lasts as long as the page.
  }
}
