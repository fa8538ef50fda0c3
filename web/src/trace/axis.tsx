/** The axis above the bars, and what wheel and finger do with it. While somebody zooms, only the
 *  axis and the bars are drawn anew, once for each picture. */
import type { Signal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { panned, ticksOf, zoomed, type Scale, type Zoom } from "./scale.ts";
import { tickText } from "./text.ts";
import { words } from "./words.ts";

const WHEEL = 0.0025; // Of a notch: some 100 px.
const TICKS = 5;

export function useZoom(box: RefObject<HTMLElement>, zoom: Signal<Zoom>): void {
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    let turned = 0, moved = 0, clientX = 0, frame = 0;
    // The axis is measured before anything of the picture changes: to measure it after is dear.
    const apply = (): void => {
      frame = 0;
      const axis = element.querySelector(".trace-axis")?.getBoundingClientRect();
      if (axis !== undefined && axis.width > 0) {
        const at = Math.min(1, Math.max(0, (clientX - axis.left) / axis.width));
        const by = Math.exp(-turned * WHEEL);
        zoom.value = panned(zoomed(zoom.peek(), by, at), moved / axis.width);
      }
      turned = moved = 0;
    };
    const wheel = (event: WheelEvent): void => {
      const by = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
      if (event.ctrlKey || event.metaKey) turned += event.deltaY;
      else if (by !== 0 && zoom.peek().factor > 1) moved += by;
      else return;
      event.preventDefault();
      clientX = event.clientX;
      frame ||= requestAnimationFrame(apply);
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => {
      cancelAnimationFrame(frame);
      element.removeEventListener("wheel", wheel);
    };
  }, []);
}

export function Axis({ scale, zoom }: { scale: Scale; zoom: Signal<Zoom> }) {
  const { left, factor } = zoom.value, from = useRef<number | null>(null);
  const place = (share: number): string => `${(share - left) * factor * 100}%`;
  const moved = (event: PointerEvent & { currentTarget: HTMLElement }): void => {
    if (from.current === null) return;
    const by = (from.current - event.clientX) / event.currentTarget.offsetWidth;
    zoom.value = panned(zoom.value, by);
    from.current = event.clientX;
  };
  const end = (): void => void (from.current = null);
  return (
    <div class="trace-head" aria-hidden="true">
      <span>{words.columns.span}</span>
      <span class="trace-axis" onPointerMove={moved} onPointerUp={end} onPointerCancel={end}
        onPointerDown={(event) => {
          from.current = event.clientX;
          event.currentTarget.setPointerCapture(event.pointerId);
        }}>
        {scale.segments.filter((one) => one.idle).map((one) => (
          <i key={one.from} class="trace-hatch"
            style={{ left: place(one.left), width: `${(one.right - one.left) * factor * 100}%` }} />
        ))}
        {ticksOf(scale, [left, left + 1 / factor], TICKS).map(({ place: at, ms, step }) => (
          <span key={ms} style={{ left: place(at) }}>{tickText(ms, step)}</span>
        ))}
      </span>
      <span class="num">{words.columns.time}</span>
      <span class="num">{words.columns.tokens}</span>
      <span>{words.columns.cache}</span>
    </div>
  );
}
