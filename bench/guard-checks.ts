/**
 * What a change must not break unnoticed: the gateway beside processes that do nothing else, in the
 * same minute on the same cores. Processor time and bytes only, no clock; and the bounds are about
 * twice what is normal. So a busy machine passes, and a blunder does not.
 */

import type { Check } from './guard.ts';
import type { Plan } from './plan.ts';
import { figures, interleave } from './rounds.ts';
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
  startSetup,
  stopAll,
} from './setup.ts';
import type { Row } from './table.ts';

/**
 * Normal ratios, on two quiet cores: 0.9, 0.8, 1.4 and 1.25. Every attempt has new processes, so that
 * one which broke does not spoil the next.
 */
export function guardChecks({ plan, gatewayMain }: Setup): Check[] {
  const compare = <Result>(
    startOther: (setup: Setup) => Promise<Subject>,
    run: (setup: Setup, subject: Subject) => Promise<Result>,
    figure: (result: Result) => number | undefined,
  ) =>
    withSubjects(plan, gatewayMain, [startOurs, startOther], async (setup, subjects) =>
      figures(await interleave(plan.rounds, subjects, (each) => run(setup, each)), figure),
    );
  return [
    {
      metric: 'CPU per delta at 50 tokens/s',
      unit: 'µs',
      target: { most: 1.8, of: RELAY },
      measure: () => compare(startSdkRelay, runPaced, cpuPerDelta),
    },
    {
      metric: 'CPU per delta, saturated',
      unit: 'µs',
      target: { most: 1.8, of: RELAY },
      measure: () => compare(startSdkRelay, runSaturated, cpuPerToken),
    },
    {
      metric: 'CPU per frame of an answer in 100 tabs',
      unit: 'µs',
      target: { most: 2.8, of: RAW },
      measure: () => compare(startRawSender, runWatchedTabs, cpuPerFrame),
    },
    {
      metric: 'an answer of 500 tokens',
      unit: 'kB',
      target: { most: 2, of: MINIMAL },
      measure: () =>
        withSubjects(plan, gatewayMain, [startOurs], async (setup, [gateway]) => {
          if (!gateway) throw new Error('there is no gateway');
          const { bytes, minimalBytes } = await typicalAnswer(setup, gateway);
          return { [GATEWAY]: [bytes / 1_000], [MINIMAL]: [minimalBytes / 1_000] };
        }),
    },
  ];
}

const startOurs = (setup: Setup) => startGatewaySubject(setup, { watched: false });
const startSdkRelay = (setup: Setup) => startRelay(setup, 'sdk');

/** They and all that serves them are there for as long as `measure` takes. */
async function withSubjects(
  plan: Plan,
  gatewayMain: string,
  starts: readonly ((setup: Setup) => Promise<Subject>)[],
  measure: (setup: Setup, subjects: readonly Subject[]) => Promise<Row['values']>,
): Promise<Row['values']> {
  const setup = await startSetup(plan, gatewayMain);
  const subjects = await Promise.all(starts.map((start) => start(setup)));
  try {
    return await measure(setup, subjects);
  } finally {
    await setup.stop();
    await stopAll(subjects);
  }
}
