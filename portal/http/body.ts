/** Reads what a client sent: unknown until it was looked at. */

import { ApiError } from './errors.ts';

export type Body = Readonly<Record<string, unknown>>;

/** The JSON object of a request; nothing at all counts as an empty one. */
export function readBody(body: unknown): Body {
  if (body === undefined || body === null || body === '') return {};
  if (typeof body !== 'object' || Array.isArray(body)) {
    throw new ApiError('bad_request', { detail: 'the body must be a JSON object' });
  }
  return { ...body };
}

/** @throws {ApiError} `bad_request` if the field is missing or no text of 1 to `most` characters. */
export function requiredText(body: Body, field: string, most: number): string {
  const value = optionalText(body, field, most);
  if (value === undefined || value === '') {
    throw new ApiError('bad_request', { detail: `${field} is required` });
  }
  return value;
}

export function optionalText(body: Body, field: string, most: number): string | undefined {
  const value = body[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' || value.length > most) {
    throw new ApiError('bad_request', {
      detail: `${field} must be a string of at most ${most} characters`,
    });
  }
  return value;
}
