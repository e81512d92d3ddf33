/** What Linux tells about a process: https://man7.org/linux/man-pages/man5/proc.5.html */

import { readdirSync, readFileSync } from 'node:fs';

/** `sysconf(_SC_CLK_TCK)` is 100 on every Linux that Node runs on. */
const TICK_MS = 10;

/** Processor time, user and system, of all its threads so far, in milliseconds; steps of 10. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The name, in parentheses, may hold spaces. Fields 14 and 15 are 11 and 12 behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Resident memory in KiB. */
export function residentKib(pid: number): number {
  return Number(statusField(String(pid), 'VmRSS').split(' ')[0]);
}

/** The same of a process and of all that descend from it. */
export function treeResidentKib(root: number): number {
  return descendants(root).reduce((sum, pid) => sum + residentKib(pid), 0);
}

/** The process itself comes first. */
export function descendants(root: number): number[] {
  const parents = processes().map((pid) => [pid, parentOf(pid)] as const);
  const found = [root];
  for (const each of found) {
    for (const [pid, parent] of parents) if (parent === each) found.push(pid);
  }
  return found;
}

function processes(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger);
}

/** Nothing if it has just ended. */
function parentOf(pid: number): number | undefined {
  try {
    return Number(statusField(String(pid), 'PPid'));
  } catch {
    return undefined;
  }
}

/** Numbers of the processors that this process may run on. */
export function allowedCores(): number[] {
  return statusField('self', 'Cpus_allowed_list')
    .split(',')
    .flatMap((range) => {
      const [from = 0, to = from] = range.split('-').map(Number);
      return Array.from({ length: to - from + 1 }, (_, index) => from + index);
    });
}

/** How many descriptors a process may have open: the hard limit, to which Node raises its own. */
export function mostDescriptors(): number {
  const limits = readFileSync('/proc/self/limits', 'latin1');
  const [, hard] = /^Max open files +\S+ +(\S+)/m.exec(limits) ?? [];
  return hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard);
}

function statusField(pid: string, name: string): string {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const line = status.split('\n').find((each) => each.startsWith(`${name}:`));
  if (line === undefined) throw new Error(`/proc/${pid}/status has no ${name}`);
  return line.slice(name.length + 1).trim();
}
