/**
 * What a change must not break unnoticed: the gateway beside processes that do nothing else, in the
 * same minute on the same cores. Processor time and bytes only, no clock; and the bounds are about
 * twice what is normal. So a busy machine passes, and a blunder does not.
 */

import type { Check } from './guard.ts';
import { figures, interleave, type Results } from './rounds.ts';
import { MINIMAL, typicalAnswer } from './scenarios/bytes.ts';
import { cpuPerDelta, runPaced } from './scenarios/paced.ts';
import { cpuPerToken, runSaturated } from './scenarios/saturated.ts';
import { cpuPerFrame, runWatchedTabs } from './scenarios/watched.ts';
import {
  GATEWAY,
  RAW,
  RELAY,
  type Setup,
  type Subject,
  startGatewaySubject,
  startRawSender,
  startRelay,
} from './setup.ts';

interface GuardSubjects {
  gateway: Subject;
  relay: Subject;
  rawSender: Subject;
}

export async function startGuardSubjects(setup: Setup): Promise<GuardSubjects> {
  const [gateway, relay, rawSender] = await Promise.all([
    startGatewaySubject(setup, { watched: false }),
    startRelay(setup, 'sdk'),
    startRawSender(),
  ]);
  return { gateway, relay, rawSender };
}

/** Normal ratios, on two quiet cores: 0.9, 0.8, 1.4 and 1.25. */
export function guardChecks(setup: Setup, subjects: GuardSubjects): Check[] {
  const { gateway, relay, rawSender } = subjects;
  const compare = async <Result>(
    other: Subject,
    run: (setup: Setup, subject: Subject) => Promise<Result>,
    figure: (result: Result) => number | undefined,
  ) => {
    const results: Results<Result> = await interleave(setup.plan.rounds, [gateway, other], (each) =>
      run(setup, each),
    );
    return figures(results, figure);
  };
  return [
    {
      metric: 'CPU per delta at 50 tokens/s',
      unit: 'µs',
      target: { most: 1.8, of: RELAY },
      measure: () => compare(relay, runPaced, cpuPerDelta),
    },
    {
      metric: 'CPU per delta, saturated',
      unit: 'µs',
      target: { most: 1.8, of: RELAY },
      measure: () => compare(relay, runSaturated, cpuPerToken),
    },
    {
      metric: 'CPU per frame of an answer in 100 tabs',
      unit: 'µs',
      target: { most: 2.8, of: RAW },
      measure: () => compare(rawSender, runWatchedTabs, cpuPerFrame),
    },
    {
      metric: 'an answer of 500 tokens',
      unit: 'kB',
      target: { most: 1.6, of: MINIMAL },
      async measure() {
        const { bytes, minimalBytes } = await typicalAnswer(setup, gateway);
        return { [GATEWAY]: [bytes / 1_000], [MINIMAL]: [minimalBytes / 1_000] };
      },
    },
  ];
}
