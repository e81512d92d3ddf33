/** The one rule of what an agent instance may be called: in the URL, in nginx's map, and in the portal's table. */

/** For people and for nginx's `location`, without anchors. 4 to 65 characters of lower case, digits and inner hyphens. */
export const INSTANCE_ID_PATTERN = 'oc-[a-z0-9](?:[a-z0-9-]{0,60}[a-z0-9])?';

const INSTANCE_ID = new RegExp(`^${INSTANCE_ID_PATTERN}$`);

export function isInstanceId(text: string): boolean {
  return INSTANCE_ID.test(text);
}
