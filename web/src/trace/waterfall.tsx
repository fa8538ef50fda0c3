/** The waterfall: failed steps, then the tree, with a bar for each. What comes while somebody
 *  points at a row, or reads further down, does not move it. */
import { useSignal, type Signal } from "@preact/signals";
import { useId, useLayoutEffect, useRef, type MutableRef } from "preact/hooks";

import { Rows, type RowsHandle } from "../parts/rows.tsx";
import { useNamed, useSeat } from "../router/router.ts";
import { Axis, useZoom } from "./axis.tsx";
import { TraceLine } from "./row.tsx";
import type { Scale, Zoom } from "./scale.ts";
import { isOpen, type Line, type Opened } from "./tree.ts";
import { words } from "./words.ts";

const ROW = 28, ROW_STACKED = 44, STACKED_BELOW = 700;

interface WaterfallProps {
  lines: readonly Line[];
  /** Another object: the daemon said something new. */
  news: unknown;
  scale: Scale;
  now: number;
  opened: Opened;
  cursor: string | null;
  zoom: Signal<Zoom>;
  handle: MutableRef<RowsHandle | null>;
  onSelect(line: Line): void;
  onToggle(line: Line): void;
}

/** The line that stays where it is when others come: that under the pointer, else the first one in
 *  the view of somebody who has scrolled. */
function useStill(lines: readonly Line[], news: unknown, height: number) {
  const box = useRef<HTMLDivElement>(null);
  const pointed = useRef<string | null>(null);
  const before = useRef({ lines, news });
  const slack = useSignal(0);
  useLayoutEffect(() => {
    const was = before.current;
    before.current = { lines, news };
    const list = box.current?.querySelector<HTMLElement>(".windowed");
    if (list == null || was.news === news || was.lines === lines) return;
    const first = was.lines[Math.floor(list.scrollTop / height)];
    const key = pointed.current ?? (list.scrollTop > 0 ? first?.key : undefined);
    const at = was.lines.findIndex((line) => line.key === key);
    const by = lines.findIndex((line) => line.key === key) - at;
    if (at < 0 || by + at < 0 || by === 0) return;
    const top = Math.max(0, list.scrollTop + by * height);
    slack.value = Math.max(0, top + list.clientHeight - lines.length * height);
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

export function Waterfall(props: WaterfallProps) {
  const { lines, news, scale, now, opened, cursor, zoom, handle, onSelect, onToggle } = props;
  const seat = useSeat(), named = useNamed(), id = useId();
  const height = seat.width.value < STACKED_BELOW ? ROW_STACKED : ROW;
  const { box, over, leave } = useStill(lines, news, height);
  useZoom(box, zoom);
  const at = cursor === null ? -1 : lines.findIndex(({ key }) => key === cursor);
  return (
    <div class="trace-box" ref={box} onPointerOver={over} onPointerLeave={leave}>
      <Axis scale={scale} zoom={zoom} />
      <Rows label={named(words.trace)} role="tree" class="trace-rows" count={lines.length}
        height={height} handle={handle} active={at < 0 ? undefined : `${id}-${at}`}
        draw={(place) => {
          const line = lines[place];
          return line === undefined ? null : (
            <TraceLine key={line.key} id={`${id}-${place}`} line={line} scale={scale} now={now}
              zoom={zoom} selected={line.key === cursor} onSelect={() => onSelect(line)}
              open={line.kind === "span" && isOpen(opened, line.node)}
              onToggle={() => onToggle(line)} />
          );
        }} />
    </div>
  );
}
