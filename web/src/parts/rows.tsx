/** A long list of rows of one height: which of them are near the view is arithmetic, and only those
 *  are drawn. The list has the focus, and the row that is selected is its active descendant, so no
 *  row that leaves the view takes the focus with it. */
import type { ComponentChildren, RefObject } from "preact";
import { useImperativeHandle, useLayoutEffect, useRef, useState } from "preact/hooks";

/** Most rows that are drawn at once, those beyond the view included. */
export const ROWS_MAX = 60;
const BEYOND = 6;

/** Pure: the first row that is drawn, and the one after the last. */
export function rowsNear(
  { top, view, height, count, most = BEYOND }: {
    top: number; view: number; height: number; count: number; most?: number | undefined;
  },
): [from: number, to: number] {
  const seen = Math.min(ROWS_MAX, Math.ceil(view / height) + 1);
  const beyond = Math.min(most, Math.floor((ROWS_MAX - seen) / 2));
  const first = Math.max(0, Math.min(Math.floor(top / height), count - seen));
  return [Math.max(0, first - beyond), Math.min(count, first + seen + beyond)];
}

export interface RowsHandle {
  /** That row is in the view. */
  show(at: number): void;
  focus(): void;
}

interface RowsProps {
  label: string;
  role: "tree" | "listbox" | "list";
  count: number;
  /** Of each row, in pixels. */
  height: number;
  /** How many rows beyond the view are drawn, on either side. Default: 6. */
  beyond?: number;
  /** Of a listbox: several rows can be selected. */
  several?: boolean;
  /** Id of the row that is selected, if it is drawn. */
  active?: string | undefined;
  handle?: RefObject<RowsHandle>;
  class?: string;
  /** Draws the row at a place, with a key and with the height of all rows: `var(--row)`. */
  draw(at: number): ComponentChildren;
  /** Lies over the rows, as high as all of them: lines of an axis. */
  children?: ComponentChildren;
}

export function Rows(props: RowsProps) {
  const { label, role, count, height, active, handle, draw, children, beyond: most } = props;
  const box = useRef<HTMLDivElement>(null);
  const [place, placeSet] = useState({ top: 0, view: 0 });
  const look = (): void => {
    const { scrollTop: top = 0, clientHeight: view = 0 } = box.current ?? {};
    const now = rowsNear({ top, view, height, count, most });
    const before = rowsNear({ ...place, height, count, most });
    if (view !== place.view || now.join() !== before.join()) placeSet({ top, view });
  };
  const latest = useRef(look);
  latest.current = look;
  useLayoutEffect(() => {
    const sizes = new ResizeObserver(() => latest.current());
    if (box.current !== null) sizes.observe(box.current);
    latest.current();
    return () => sizes.disconnect();
  }, []);
  useImperativeHandle(handle ?? null, () => ({
    show: (at) => {
      const element = box.current;
      if (element === null) return;
      const above = at * height, below = above + height - element.clientHeight;
      if (above < element.scrollTop) element.scrollTop = above;
      else if (below > element.scrollTop) element.scrollTop = below;
    },
    focus: () => box.current?.focus({ preventScroll: true }),
  }), [height]);
  const [from, to] = rowsNear({ ...place, height, count, most });
  const rows: ComponentChildren[] = [];
  for (let at = from; at < to; at++) rows.push(draw(at));
  return (
    <div ref={box} class={`windowed ${props.class ?? ""}`} role={role} tabIndex={0}
      aria-label={label} aria-activedescendant={active} aria-multiselectable={props.several}
      onScroll={look}
      style={{ "--row": `${height}px` }}>
      <div class="windowed-all" role="none" style={{ height: `${count * height}px` }}>
        <div class="windowed-drawn" role="none" style={{ top: `${from * height}px` }}>{rows}</div>
        {children}
      </div>
    </div>
  );
}
