/** V8's CPU profiles, as far as they are read, and names for what stands in them. */

import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { script } from './processes.ts';

interface CallFrame {
  functionName: string;
  url: string;
  lineNumber: number;
}

/** A `.cpuprofile`: https://chromedevtools.github.io/devtools-protocol/tot/Profiler/ */
export interface Profile {
  nodes: { id: number; callFrame: CallFrame; children?: number[] }[];
  /** The node that ran at each sample, and the microseconds since the sample before. */
  samples: number[];
  timeDeltas: number[];
}

export const IDLE = '(idle)';

export const UNKNOWN = { owner: 'V8', place: '(unknown)' };

/** Whose function it is, and which. */
export function placeOf({ functionName, url, lineNumber }: CallFrame): {
  owner: string;
  place: string;
} {
  const name = functionName || '(anonymous)';
  if (url === '') return { owner: name.startsWith('(') ? name : 'native', place: name };
  if (url.startsWith('node:')) return { owner: 'node', place: `${name} ${url}:${lineNumber + 1}` };
  const path = relative(script('..'), url.startsWith('file:') ? fileURLToPath(url) : url);
  const [first = '', second = ''] = path.split('/');
  return {
    owner: first === 'node_modules' ? second : `${first}/`,
    place: `${name} ${path}:${lineNumber + 1}`,
  };
}
