/** The programs that tests start: built once for all of them (build.ts). */

import { join } from 'node:path';
import { inject } from 'vitest';

const program = (name: string) => join(inject('programs'), name, 'main.js');

export const GATEWAY = program('gateway');
export const PORTAL = program('portal');
export const REFUSALS = program('deploy/edge');
