/** One tab at a time. */

/** Runs the work while no other tab of this browser runs work of that name. */
export async function exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
  // Absent where the page is served over plain HTTP from another host than localhost.
  if (!('locks' in navigator)) return work();
  let begun = false;
  try {
    return await navigator.locks.request(name, () => {
      begun = true;
      return work();
    });
  } catch (error) {
    // Where storage is forbidden, locks are too.
    if (begun) throw error;
    return work();
  }
}
