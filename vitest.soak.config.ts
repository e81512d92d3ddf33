import { defineConfig } from 'vitest/config';

/** The long forms, one after another: `npm run soak`, or with a file's name for one of them. */
export default defineConfig({
  test: {
    pool: 'forks',
    globalSetup: './test/support/build.ts',
    include: [
      'test/crash/kill-loop.test.ts',
      'test/crash/workers-kill-loop.test.ts',
      'test/security/fuzz.test.ts',
      'test/soak/**/*.{test,soak}.ts',
    ],
    env: {
      OC_KILL_ROUNDS: '300',
      OC_WORKER_KILLS: '100',
      OC_FUZZ_CASES: '50000',
      OC_SOAK_SECONDS: '600',
      ...process.env,
    },
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
