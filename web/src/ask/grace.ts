/** Nobody answers what they cannot have read: what is under the finger, or has the focus, counts
 *  when it has stood there with these words for 400 ms. */
import { useLayoutEffect, useRef } from "preact/hooks";

import type { Ask } from "../api/types.ts";
import { GRACE_MS } from "../parts/grace.ts";

export { GRACE_MS } from "../parts/grace.ts";

/** Whether the question stood here, as it is now, that long before the event: since the picture
 *  that showed it, which may come late where much is drawn. */
export function useGrace(ask: Ask | null): (event: Event) => boolean {
  const what = ask === null ? "" : `${ask.id} ${ask.digest ?? ""}`;
  const shown_ms = useRef(Infinity);
  useLayoutEffect(() => {
    shown_ms.current = Infinity;
    const picture = requestAnimationFrame(() => (shown_ms.current = performance.now()));
    return () => cancelAnimationFrame(picture);
  }, [what]);
  return (event) => event.timeStamp - shown_ms.current >= GRACE_MS;
}
