/** All rules of the contract, in the order in which they are judged. */

import type { Subject } from './calls.ts';
import { createRules } from './create-rules.ts';
import { loginRules } from './login-rules.ts';
import type { Rule } from './rule.ts';
import { verifyRules } from './verify-rules.ts';

export const CONTRACT_RULES: readonly Rule[] = [...loginRules, ...createRules, ...verifyRules];

export interface Finding {
  readonly rule: Rule;
  /** Absent if the rule holds. */
  readonly problem?: string;
}

/** Judges one rule after the other; those that do not apply are left out. */
export async function* checkContract(subject: Subject): AsyncGenerator<Finding> {
  for (const rule of CONTRACT_RULES) {
    if (rule.applies && !rule.applies(subject)) continue;
    const problem = await judge(rule, subject);
    yield { rule, ...(problem !== undefined && { problem }) };
  }
}

async function judge(rule: Rule, subject: Subject): Promise<string | undefined> {
  try {
    await rule.check(subject);
    return undefined;
  } catch (error) {
    if (!(error instanceof Error)) return 'unknown';
    // `fetch failed` says nothing; its cause says what.
    return error.cause instanceof Error ? error.cause.message || error.message : error.message;
  }
}
