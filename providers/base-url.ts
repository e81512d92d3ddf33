/** Base URLs as people write them, with or without a version segment, into the form an SDK wants. */

const VERSION_SEGMENT = /^v\d+(?:(?:alpha|beta)\d*)?$/i;

export interface SplitBaseUrl {
  /** No trailing slash, no version segment at its end. */
  root: string;
  /** The last path segment, if it is a version such as `v1` or `v1beta`. */
  version?: string;
}

/** Splits off a version that ends the URL: for SDKs that add their own. */
export function splitBaseUrl(baseUrl: string): SplitBaseUrl {
  const trimmed = trimSlashes(baseUrl);
  const slash = trimmed.lastIndexOf('/');
  const last = trimmed.slice(slash + 1);
  if (!VERSION_SEGMENT.test(last)) return { root: trimmed };
  return { root: trimSlashes(trimmed.slice(0, slash)), version: last };
}

/**
 * Adds `version` unless the path already names one anywhere: `https://host/openai/v1/` and
 * `https://host/v1beta/openai` stay as they are.
 */
export function withVersion(baseUrl: string, version: string): string {
  const trimmed = trimSlashes(baseUrl);
  const segments = trimmed.split('/').slice(3);
  return segments.some((segment) => VERSION_SEGMENT.test(segment))
    ? trimmed
    : `${trimmed}/${version}`;
}

function trimSlashes(url: string): string {
  let end = url.length;
  while (end > 0 && url[end - 1] === '/') end -= 1;
  return url.slice(0, end);
}
