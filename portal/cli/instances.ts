/** `oc-portal instances …` and `oc-portal nginx-map`. */

import { isInstanceId } from '../../deploy/nginx/instance-id.ts';
import { backendProblem, renderMap } from '../../deploy/nginx/map.ts';
import { disableInstance, removeInstance } from '../store/access.ts';
import type { Instance } from '../store/instances.ts';
import type { Store } from '../store/store.ts';
import type { Io } from './io.ts';
import { CommandError, type StoreFlags, table, textProblem, withStore } from './with-store.ts';

interface InstanceFlags extends StoreFlags {
  readonly backend?: string;
  readonly name?: string;
  readonly model?: string;
  readonly starter?: readonly string[];
}

const LONGEST_NAME = 128;
const LONGEST_STARTER = 500;
const MOST_STARTERS = 12;

export function addInstance(io: Io, flags: InstanceFlags, id: string): Promise<number> {
  return withStore(
    io,
    flags,
    (store, { now }) => {
      if (!isInstanceId(id)) {
        throw new CommandError(
          `an instance id is "oc-" and then a-z, 0-9 and inner hyphens, at most 65 characters; ${JSON.stringify(id)} is not`,
        );
      }
      const { backend } = flags;
      if (backend === undefined) throw new CommandError('--backend is missing; name ip:port');
      store.transaction(() => {
        if (store.instances.find(id)) {
          throw new CommandError(
            `there is an instance "${id}" already; see: oc-portal instances set`,
          );
        }
        store.instances.put(
          edited({ id, name: id, backend, starters: [], enabled: true }, flags),
          now,
        );
      });
      io.stdout.write(`added ${id}\n`);
    },
    { create: true },
  );
}

export function setInstance(io: Io, flags: InstanceFlags, id: string): Promise<number> {
  return withStore(io, flags, (store, { now }) => {
    store.transaction(() => store.instances.put(edited(existing(store, id), flags), now));
    io.stdout.write(`set ${id}\n`);
  });
}

export function listInstances(
  io: Io,
  flags: StoreFlags & { readonly json?: boolean },
): Promise<number> {
  return withStore(io, flags, (store) => {
    const instances = store.instances.list();
    io.stdout.write(
      flags.json
        ? `${JSON.stringify(instances)}\n`
        : table(
            instances.map(({ id, enabled, backend, name, model }) => [
              id,
              enabled ? 'enabled' : 'disabled',
              backend,
              model ?? '-',
              name,
            ]),
          ),
    );
  });
}

export function changeInstance(
  io: Io,
  flags: StoreFlags,
  id: string,
  verb: 'disable' | 'enable' | 'remove',
): Promise<number> {
  return withStore(io, flags, (store, { now }) => {
    const instance = existing(store, id);
    switch (verb) {
      case 'enable':
        store.instances.put({ ...instance, enabled: true }, now);
        break;
      case 'disable':
        disableInstance(store, id, now);
        break;
      case 'remove':
        removeInstance(store, id, now);
        break;
    }
    io.stdout.write(`${verb}d ${id}\n`);
  });
}

/** Prints the whole map or, if any row is bad, nothing of it. */
export function nginxMap(io: Io, flags: StoreFlags): Promise<number> {
  return withStore(io, flags, (store) => {
    const map = renderMap(store.instances.list().filter(({ enabled }) => enabled));
    if (!map.ok) {
      throw new CommandError(`the instances make no map:\n${map.problems.join('\n')}`);
    }
    if (!store.instances.list().some(({ enabled }) => enabled)) {
      io.stderr.write(
        'oc-portal: no instance is enabled: with this map nginx refuses every socket\n',
      );
    }
    io.stdout.write(map.text);
  });
}

function existing(store: Store, id: string): Instance {
  const instance = store.instances.find(id);
  if (!instance) {
    throw new CommandError(
      `there is no instance ${JSON.stringify(id)}; see: oc-portal instances list`,
    );
  }
  return instance;
}

/** The instance as the flags change it. @throws {CommandError} if a flag's value cannot be. */
function edited(instance: Instance, flags: InstanceFlags): Instance {
  const { model: modelBefore, ...rest } = instance;
  const name = flags.name ?? rest.name;
  const backend = flags.backend ?? rest.backend;
  const model = flags.model ?? modelBefore ?? '';
  const starters = flags.starter?.filter((text) => text !== '') ?? rest.starters;
  const problem =
    backendProblem(backend) ??
    textProblem('the name', name, LONGEST_NAME) ??
    (model === '' ? undefined : textProblem('the model', model, LONGEST_NAME)) ??
    starters.map((text) => textProblem('a starter', text, LONGEST_STARTER)).find(Boolean);
  if (problem !== undefined) throw new CommandError(problem);
  if (starters.length > MOST_STARTERS) {
    throw new CommandError(`too many starters; use at most ${MOST_STARTERS}`);
  }
  return { ...rest, name, backend, starters, ...(model !== '' && { model }) };
}
