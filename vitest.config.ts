import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // A worker thread that ends with an open uWebSockets.js listen socket aborts the process.
    pool: 'forks',
    globalSetup: './test/support/build.ts',
    reporters: ['default', './test/support/closing-line.ts'],
    include: ['test/**/*.test.ts'],
    // Most tests wait for other processes, so two cores have time for a third.
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A second is what a busy machine takes for nothing at all.
    expect: { poll: { timeout: 15_000 } },
  },
});
