/** Hides environment variables from an SDK that reads them whatever it is told. */

/**
 * Runs `make` while no variable begins with `prefix`, and puts them back before anyone else can
 * run. It works for what is read in the synchronous part of `make`; the conformance suite fails for
 * an SDK that reads later.
 */
export function withoutVariables<T>(prefix: string, make: () => T): T {
  const hidden = Object.entries(process.env).filter(([name]) => name.startsWith(prefix));
  for (const [name] of hidden) delete process.env[name];
  try {
    return make();
  } finally {
    for (const [name, value] of hidden) process.env[name] = value;
  }
}
