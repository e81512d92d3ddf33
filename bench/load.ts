/** The load generator: a process of its own that does one task at a time for `run.ts`. */

import { alone } from './load/alone.ts';
import { answer } from './load/answer.ts';
import { bytes } from './load/bytes.ts';
import { greet } from './load/greet.ts';
import { handshakes } from './load/handshakes.ts';
import { idle } from './load/idle.ts';
import { paced } from './load/paced.ts';
import { requests } from './load/requests.ts';
import { saturated } from './load/saturated.ts';
import { watched } from './load/watched.ts';
import { workers } from './load/workers.ts';
import { serveTasks } from './remote.ts';

const tasks = {
  answer,
  greet,
  alone,
  paced,
  saturated,
  watched,
  bytes,
  handshakes,
  idle,
  requests,
  workers,
};

export type LoadTasks = typeof tasks;

serveTasks(tasks);
