/**
 * Reading what upstream sent without trusting its shape. The SDKs' types say what an API documents;
 * relays and compatible servers leave fields out, send null or another type.
 */

export type WireObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is WireObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

/** The field's text, or nothing. */
export function textAt(object: unknown, field: string): string | undefined {
  if (!isObject(object)) return undefined;
  const value = object[field];
  return isText(value) ? value : undefined;
}

/** The field's object, or an empty one. */
export function objectAt(object: unknown, field: string): WireObject {
  if (!isObject(object)) return {};
  const value = object[field];
  return isObject(value) ? value : {};
}

/** The field's objects; what else stands in the list is left out. */
export function objectsAt(object: unknown, field: string): readonly WireObject[] {
  if (!isObject(object)) return [];
  const value = object[field];
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** The first of the field's objects. Asked for each token: it makes no list. */
export function firstObjectAt(object: unknown, field: string): WireObject | undefined {
  if (!isObject(object)) return undefined;
  const value = object[field];
  return Array.isArray(value) ? value.find(isObject) : undefined;
}

/** The text of the first of these fields that has one. */
export function firstTextAt(object: WireObject, fields: readonly string[]): string | undefined {
  for (const field of fields) {
    const value = object[field];
    if (isText(value)) return value;
  }
  return undefined;
}

/** No call counts so many tokens, and thousands of them still add up exactly. */
const MAX_COUNT = 1e12;

/** A count: whole, from 0 to `MAX_COUNT`; 0 if absent or no finite number. The store refuses any other. */
export function countAt(object: unknown, field: string): number {
  if (!isObject(object)) return 0;
  const value = object[field];
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) return 0;
  return Math.min(Math.trunc(value), MAX_COUNT);
}

/** A tool call's arguments as an object: APIs that want one refuse anything else. */
export function parseArguments(json: string): WireObject {
  try {
    const value: unknown = JSON.parse(json);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

/** A row of a table by a name that came over the wire: own rows only, so `constructor` finds nothing. */
export function rowOf<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
