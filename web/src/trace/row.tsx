/** A line of the waterfall. */
import type { Signal } from "@preact/signals";

import { count } from "../parts/text.ts";
import { visible } from "../parts/visible.ts";
import { placeOf, type Scale, type Zoom } from "./scale.ts";
import { barOf, cacheTone, lasting, latencyTone, percentOf, shapeOf } from "./text.ts";
import type { Line, Node } from "./tree.ts";
import { words } from "./words.ts";

/** Hidden where nothing was cached. */
export function Cache({ node: { sums } }: { node: Pick<Node, "sums"> }) {
  const percent = percentOf(sums);
  if (percent === 0) return null;
  return (
    <span class="trace-cached" title={words.cached(percent)}>
      <span class={`trace-meter fill-${cacheTone(percent)}`}>
        <i style={{ width: `${percent}%` }} />
      </span>
      {words.percent(percent)}
    </span>
  );
}

/** A turn has its number, all calls of a tool their name, and a call of a model says what for. */
export const nameOf = ({ span, turn, name }: Node): string =>
  (span === null && turn !== null ? words.turn(turn)
    : `${words.calls[span?.kind ?? ""] ?? ""}${visible(name)}`);

/** Of a tool how often it was called, and failed. */
function About({ node }: { node: Node }) {
  const { errors } = node.sums;
  return (
    <span class="muted clip" dir="auto">
      {node.span !== null ? visible(node.about)
        : node.turn === null ? words.times(node.below.length) : ""}
      {node.span !== null || node.turn !== null || errors === 0 ? null
        : <span class="tone-fail"> {words.failed(errors)}</span>}
    </span>
  );
}

/** The only part of a line that a zoom draws anew. */
function Bar({ node, scale, now, zoom }: Pick<LineProps, "scale" | "now" | "zoom"> & {
  node: Node;
}) {
  const [at, length] = placeOf(scale, node, now), { left, factor } = zoom.value;
  return (
    <i class={barOf(node)}
      style={{ left: `${(at - left) * factor * 100}%`, width: `${length * factor * 100}%` }} />
  );
}

interface LineProps {
  id: string;
  line: Line;
  scale: Scale;
  now: number;
  zoom: Signal<Zoom>;
  selected: boolean;
  open: boolean;
  onSelect(): void;
  onToggle(): void;
}

export function TraceLine(props: LineProps) {
  const { id, line, scale, now, zoom, selected, open, onSelect, onToggle } = props;
  if (line.kind === "idle") {
    const { from, to, why } = line.gap;
    return (
      <div class="trace-idle" role="treeitem" id={id} data-row={line.key} aria-disabled="true">
        <span>{lasting(to - from)} {words.gaps[why]} · {words.collapsed}</span>
      </div>
    );
  }
  if (line.kind === "rest") {
    return (
      <div class="trace-rest" role="treeitem" id={id} data-row={line.key}
        aria-selected={selected} onClick={onSelect}>{words.rest(line.count)}</div>
    );
  }
  const { node } = line, pinned = line.kind === "pinned";
  const [shape, tone] = shapeOf(node.state);
  const ms = Math.max(0, (node.end ?? now) - node.start);
  const isGroup = !pinned && node.below.length > 0;
  const state = words.states[node.state] ?? node.state;
  return (
    <div class={`trace-line${selected ? " sel" : ""}`} role="treeitem" id={id} data-row={line.key}
      aria-level={pinned ? 1 : node.level + 1} aria-selected={selected}
      {...(isGroup && { "aria-expanded": open })} onClick={onSelect}>
      <span class="trace-name" style={{ "--level": pinned ? 0 : node.level }}>
        <span class={`trace-shape tone-${tone}`} onClick={(event) => {
          if (!isGroup) return;
          event.stopPropagation();
          onToggle();
        }}>
          <span aria-hidden="true">{isGroup ? (open ? "▾" : "▸") : shape}</span>
          <span class="hidden">{pinned ? words.pinned : state}</span>
        </span>
        <b class="mono" dir="auto">{nameOf(node)}</b>
        <About node={node} />
      </span>
      <span class="trace-track">
        <Bar node={node} scale={scale} now={now} zoom={zoom} />
      </span>
      <span class={`num ${latencyTone(node, ms)}`}>{lasting(ms)}</span>
      <span class="num muted">{node.sums.tokens === 0 ? "" : count(node.sums.tokens)}</span>
      <span class="muted"><Cache node={node} /></span>
    </div>
  );
}
