/** An inspector, which covers all of its view where that is narrow: the focus is in it then, and
 *  goes back when it leaves with the focus, by whatever way. */
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { useSeat } from "../router/router.ts";

/** As the container queries of the views say. */
const COVERS_PX = 700;

/** For the button that closes it. `back` gives the focus to what it belongs to. */
export function useSheet(back: () => void): RefObject<HTMLButtonElement> {
  const covers = useSeat().width.value <= COVERS_PX;
  const close = useRef<HTMLButtonElement>(null), latest = useRef(back);
  latest.current = back;
  useEffect(() => {
    if (covers) close.current?.focus({ preventScroll: true });
  }, [covers]);
  useEffect(() => () => {
    const sheet = close.current?.closest("aside");
    // What it covers can take the focus only when all is drawn without it.
    if (sheet?.contains(document.activeElement)) queueMicrotask(() => latest.current());
  }, []);
  return close;
}
