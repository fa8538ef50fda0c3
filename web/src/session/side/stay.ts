/** What is added above does not move the row that is pointed at, has the focus, or is read. */
import type { RefObject } from "preact";
import { useLayoutEffect } from "preact/hooks";

function held(box: HTMLElement): Element | null {
  const pointed = box.querySelector("li:hover, li:focus-within");
  if (pointed !== null || box.scrollTop <= 0) return pointed;
  const { top } = box.getBoundingClientRect();
  return [...box.querySelectorAll("li")]
    .find((row) => row.getBoundingClientRect().bottom > top) ?? null;
}

/** Called while drawing: what is there then is what stood before. */
export function useStay(ref: RefObject<HTMLElement>): void {
  const row = ref.current === null ? null : held(ref.current);
  const before = row?.getBoundingClientRect().top ?? 0;
  useLayoutEffect(() => {
    if (row === null || ref.current === null || !row.isConnected) return;
    const moved = row.getBoundingClientRect().top - before;
    if (moved !== 0) ref.current.scrollTop += moved;
  });
}
