/**
 * What the page keeps on this device: the sign-in, settings, and per user and instance what is said
 * and drafted. Storage may be full or forbidden; then things are kept for as long as the page is open.
 */

import { parseJson } from './wire.ts';

export interface Shelf {
  read(name: string): unknown;
  /** False if the value is kept only while the page is open. */
  write(name: string, value: unknown): boolean;
  remove(name: string): void;
  /** Names that begin so. */
  names(prefix: string): string[];
  /** Tells the name of each value that another tab removed. Returns how to stop that. */
  onRemoved(handler: (name: string) => void): () => void;
}

const ROOT = 'oc_chat:';
/** What can be had again from the gateway: it makes room for what cannot. */
const CACHES = /^oc_chat:.*:(?:last|sessions)$/;

/** Values that the device did not take. */
const memory = new Map<string, string>();

export function readItem(key: string): string | undefined {
  return memory.get(key) ?? quietly((store) => store.getItem(key)) ?? undefined;
}

/** False if the value is kept only while the page is open. */
export function writeItem(key: string, value: string): boolean {
  const put = () => quietly((store) => store.setItem(key, value) ?? true) === true;
  if (put() || (!CACHES.test(key) && makeRoom() && put())) {
    memory.delete(key);
    return true;
  }
  // What it held before would come back with a reload as if it were new.
  quietly((store) => store.removeItem(key));
  memory.set(key, value);
  return false;
}

export function dropItem(key: string): void {
  memory.delete(key);
  quietly((store) => store.removeItem(key));
}

function makeRoom(): boolean {
  const caches = storedKeys().filter((key) => CACHES.test(key));
  for (const key of caches) dropItem(key);
  return caches.length > 0;
}

function storedKeys(): string[] {
  return [...memory.keys(), ...(quietly((store) => Object.keys(store)) ?? [])];
}

/** Forbidden storage throws already when it is named, full storage when it is written to. */
function quietly<T>(work: (store: Storage) => T): T | undefined {
  try {
    return work(localStorage);
  } catch {
    return undefined;
  }
}

export function openShelf(userId: string, instanceId: string): Shelf {
  const at = `${shelvesOf(userId)}${segment(instanceId)}:`;
  return {
    read(name) {
      const kept = readItem(at + name);
      // An exception takes long at the page's first moment: nothing is not given to a parser.
      return kept === undefined ? undefined : parseJson(kept);
    },
    write: (name, value) => writeItem(at + name, JSON.stringify(value)),
    remove: (name) => dropItem(at + name),
    names: (prefix) =>
      storedKeys()
        .filter((key) => key.startsWith(at + prefix))
        .map((key) => key.slice(at.length)),
    onRemoved(handler) {
      const onStorage = ({ key, newValue }: StorageEvent) => {
        if (key?.startsWith(at) && newValue === null) handler(key.slice(at.length));
      };
      addEventListener('storage', onStorage);
      return () => removeEventListener('storage', onStorage);
    },
  };
}

/**
 * All that was kept of this user's conversations. Of others goes what can be had again: on a shared
 * computer the less is left the better, but what they wrote and is nowhere else is theirs to send.
 */
export function clearShelves(userId: string): void {
  const own = shelvesOf(userId);
  for (const key of storedKeys()) {
    if (key.startsWith(own) || CACHES.test(key)) dropItem(key);
  }
}

/** How many values a user has whose names begin so, whichever the instance. */
export function countOnShelves(userId: string, prefix: string): number {
  const own = shelvesOf(userId);
  const names = storedKeys()
    .filter((key) => key.startsWith(own))
    .map((key) => key.slice(key.indexOf(':', own.length) + 1));
  return names.filter((name) => name.startsWith(prefix)).length;
}

function shelvesOf(userId: string): string {
  return `${ROOT}${segment(userId)}:`;
}

/** Without the sign that separates: nobody's shelves begin with the name of another's. */
function segment(id: string): string {
  return id.replaceAll('%', '%25').replaceAll(':', '%3A');
}

/** A setting of the device, the same for everybody who uses it. */
export function readSetting(name: string): string | undefined {
  return readItem(`oc_chat_set:${name}`);
}

export function writeSetting(name: string, value: string): void {
  writeItem(`oc_chat_set:${name}`, value);
}
