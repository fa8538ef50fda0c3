/** The waterfall: failed steps, then the tree, with a bar for each. What comes while somebody
 *  points at a row, or reads further down, does not move it. */
import type { Signal } from "@preact/signals";
import { useId, useMemo, type MutableRef } from "preact/hooks";

import { Rows, type RowsHandle } from "../parts/rows.tsx";
import { useStill } from "../parts/still.ts";
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
  /** Up, down, left and right. They are of the waterfall alone: beside it they scroll. */
  onArrow(event: KeyboardEvent): void;
}

export function Waterfall(props: WaterfallProps) {
  const { lines, news, scale, now, opened, cursor, zoom, handle, onSelect } = props;
  const seat = useSeat(), named = useNamed(), id = useId();
  const height = seat.width.value < STACKED_BELOW ? ROW_STACKED : ROW;
  const keys = useMemo(() => lines.map(({ key }) => key), [lines]);
  const { box, over, leave } = useStill({ keys, news, height });
  useZoom(box, zoom);
  const at = cursor === null ? -1 : lines.findIndex(({ key }) => key === cursor);
  return (
    <div class="trace-box" ref={box} onPointerOver={over} onPointerLeave={leave}
      onKeyDown={props.onArrow}>
      <Axis scale={scale} zoom={zoom} />
      <Rows label={named(words.trace)} role="tree" class="trace-rows" count={lines.length}
        height={height} handle={handle} active={at < 0 ? undefined : `${id}-${at}`}
        draw={(place) => {
          const line = lines[place];
          return line === undefined ? null : (
            <TraceLine key={line.key} id={`${id}-${place}`} line={line} scale={scale} now={now}
              zoom={zoom} selected={line.key === cursor} onSelect={() => onSelect(line)}
              open={line.kind === "span" && isOpen(opened, line.node)}
              onToggle={() => props.onToggle(line)} />
          );
        }} />
    </div>
  );
}
