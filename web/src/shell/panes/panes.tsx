/** The panes of the page, side by side; on a phone the one that has the focus. What only several of
 *  them need is loaded with the second one. */
import { signal } from "@preact/signals";
import { Fragment } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

import { focused, paneFocus, seats, several, wide, type Seat } from "../../router/router.ts";
import { SeatContext } from "../../router/seat.ts";
import { away } from "../../state/away.ts";
import { compare } from "../build.ts";
import { headingWatch } from "../heading.ts";
import { View } from "../view.tsx";

const smallQuery = matchMedia("(max-width: 899px)");
/** Panes are tabs. */
export const small = signal(smallQuery.matches);
smallQuery.addEventListener("change", () => (small.value = smallQuery.matches));

type Several = typeof import("./several.tsx");
const extra = signal<Several | null>(null);

function useWidth(seat: Seat): void {
  const isAlone = !several.value || small.value;
  useLayoutEffect(() => {
    const { box } = seat;
    if (box === null) return undefined;
    const measure = (): void =>
      void (seat.width.value = isAlone ? innerWidth : box.clientWidth);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(box);
    return () => observer.disconnect();
  }, [seat, isAlone]);
}

function Pane({ seat, at }: { seat: Seat; at: number }) {
  const box = useRef<HTMLDivElement>(null);
  const Extra = several.value ? extra.value : null;
  useLayoutEffect(() => void (seat.box = box.current), []);
  useEffect(() => (box.current === null ? undefined : headingWatch(seat, box.current)), []);
  useWidth(seat);
  const width = several.value && !small.value ? { flexGrow: wide.value?.[at] ?? 1 } : undefined;
  return (
    <div class={focused.value === seat ? "pane here" : "pane"} data-pane={seat.id} style={width}
      {...Extra?.landmark(seat, at)}
      onFocusIn={() => paneFocus(seat)} onPointerDown={() => paneFocus(seat)}>
      {Extra === null || small.value ? null : <Extra.Head seat={seat} at={at} />}
      <div class="view" ref={box}><View /></div>
    </div>
  );
}

export function Panes() {
  const isSmall = several.value && small.value, Extra = several.value ? extra.value : null;
  useEffect(() => {
    if (!several.value || extra.value !== null || away.value) return;
    import("./several.tsx").then((m) => void (extra.value = m),
      () => void compare()); // A newer daemon has no chunk of the page before it.
  }, [several.value, away.value]);
  return (
    <>
      {Extra === null ? null : isSmall ? <Extra.Tabs /> : <Extra.Keys />}
      {seats.value.map((seat, at) => (isSmall && seat !== focused.value ? null : (
        <Fragment key={seat.id}>
          {Extra === null || isSmall || at === 0 ? null : <Extra.Line at={at - 1} />}
          <SeatContext.Provider value={seat}><Pane seat={seat} at={at} /></SeatContext.Provider>
        </Fragment>
      )))}
    </>
  );
}
