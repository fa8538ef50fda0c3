/** The row that stays where it is when others come: that under the pointer, else the first one in
 *  the view of somebody who has scrolled. */
import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";

interface StillWish {
  /** Of the rows, in their order: what stands in their `data-row`. */
  keys: readonly string[];
  /** Another object: the daemon said something new. What somebody opens may move rows. */
  news: unknown;
  /** Of each row, in pixels. */
  height: number;
}

export function useStill({ keys, news, height }: StillWish) {
  const box = useRef<HTMLDivElement>(null);
  const pointed = useRef<string | null>(null);
  const before = useRef({ keys, news });
  const slack = useSignal(0);
  useLayoutEffect(() => {
    const was = before.current;
    before.current = { keys, news };
    const list = box.current?.querySelector<HTMLElement>(".windowed");
    if (list == null || was.news === news || was.keys === keys) return;
    const first = was.keys[Math.floor(list.scrollTop / height)];
    const key = pointed.current ?? (list.scrollTop > 0 ? first : undefined);
    if (key === undefined) return;
    const at = was.keys.indexOf(key), by = keys.indexOf(key) - at;
    if (at < 0 || by + at < 0 || by === 0) return;
    const top = Math.max(0, list.scrollTop + by * height);
    slack.value = Math.max(0, top + list.clientHeight - keys.length * height);
    box.current?.style.setProperty("--slack", `${slack.value}px`);
    list.scrollTop = top;
  });
  const over = (event: PointerEvent): void => {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-row]")
      : null;
    pointed.current = row?.dataset.row ?? null;
  };
  const leave = (): void => void (pointed.current = null);
  return { box, over, leave };
}
