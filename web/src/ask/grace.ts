/** Nobody answers what they cannot have read: what is under the finger, or has the focus, counts
 *  when it has stood there with these words for 400 ms. */
import { useRef } from "preact/hooks";

import type { Ask } from "../state/asks.ts";

export const GRACE_MS = 400;

/** Whether the question stood here, as it is now, that long before the event. */
export function useGrace(ask: Ask | null): (event: Event) => boolean {
  const what = ask === null ? "" : `${ask.id} ${ask.digest ?? ""}`;
  const since = useRef({ what, at: performance.now() });
  if (since.current.what !== what) since.current = { what, at: performance.now() };
  return (event) => event.timeStamp - since.current.at >= GRACE_MS;
}
