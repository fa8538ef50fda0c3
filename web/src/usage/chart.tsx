/** Stacked bars of days. Each bar says its figures: to whom points at it, to the keyboard, and to
 *  screen readers. */
import { useRef, useState } from "preact/hooks";

import { useSeat } from "../router/router.ts";
import { columnText, dayText, maxText, type Bars, type By, type Show } from "./rules.ts";
import { words } from "./words.ts";

interface ChartProps { bars: Bars; by: By; show: Show; nameOf(name: string | null): string }

const BAR = 0.76; // Of the width of a day.

export function Chart({ bars: { series, columns, max }, by, show, nameOf }: ChartProps) {
  const [at, atSet] = useState<number | null>(null);
  const box = useRef<SVGSVGElement>(null);
  const { width } = useSeat(), every = Math.ceil(columns.length / (width.value < 700 ? 4 : 7));
  const last = columns.length - 1, current = Math.min(at ?? last, last);
  const named = (index: number): string => nameOf(series[index] ?? null);
  const step = (event: KeyboardEvent): void => {
    const to = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const all = box.current?.querySelectorAll<SVGElement>("[data-day]");
    all?.[Math.max(0, Math.min(last, to))]?.focus();
  };
  return (
    <figure class="chart">
      <figcaption class="muted small">
        {words.chart(show, by)}; <span class="num">{maxText(max, show)}</span>
      </figcaption>
      <svg ref={box} role="group" viewBox={`0 0 ${columns.length} 100`} preserveAspectRatio="none"
        aria-label={`${words.chart(show, by)}. ${words.chartKeys}`} onKeyDown={step}>
        {columns.map((column, index) => (
          <g key={column.day} role="img" data-day={column.day} tabindex={index === current ? 0 : -1}
            aria-label={columnText(column, show, named)} class={index === current ? "current" : ""}
            onFocus={() => atSet(index)} onPointerEnter={() => atSet(index)}>
            <rect class="ground" x={index} width="1" height="100" />
            {column.parts.map(({ series: one, from, to }) => (
              <rect key={one} class={`series-${series[one] == null ? "others" : one}`}
                x={index + (1 - BAR) / 2} width={BAR} y={100 - (100 * to) / max}
                height={(100 * (to - from)) / max} />
            ))}
          </g>
        ))}
      </svg>
      <div class="days muted small" aria-hidden="true">
        {columns.map(({ day }, index) => (
          <span key={day}>{(last - index) % every === 0 ? dayText(day) : ""}</span>
        ))}
      </div>
      <p class="said" aria-hidden="true" dir="auto">
        {columns[current] === undefined ? "" : columnText(columns[current], show, named)}
      </p>
      <ul class="legend">
        {series.map((name, index) => (
          <li key={index}>
            <svg viewBox="0 0 10 10" aria-hidden="true">
              <rect class={`series-${name === null ? "others" : index}`} width="10" height="10" />
            </svg>
            <span class="clip" dir="auto">{nameOf(name)}</span>
          </li>
        ))}
      </ul>
    </figure>
  );
}
