/** What all of it took, and what is shown of it. */
import { useEffect, useRef } from "preact/hooks";

import { Brand } from "../parts/brand.tsx";
import { count, money } from "../parts/text.ts";
import { visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import { Hint } from "../shell/kbd.tsx";
import type { Source, Subject } from "./follow.ts";
import { Cache } from "./row.tsx";
import type { By, Filter, Sums } from "./tree.ts";
import { words } from "./words.ts";

const TYPING_MS = 200;

export interface Shown extends Filter { by: By; turn: number | null; collapsed: boolean }

/** All of it stands in the address. */
export function shownOf(query: URLSearchParams): Shown {
  const turn = Number(query.get("turn"));
  return {
    errors: query.get("errors") === "1", kind: query.get("kind") ?? "",
    min_ms: query.get("long") === "1" ? 1000 : 0, q: query.get("q") ?? "",
    by: query.get("by") === "tool" ? "tool" : "time",
    turn: Number.isSafeInteger(turn) && turn > 0 ? turn : null,
    collapsed: query.get("idle") === "collapsed",
  };
}

function titleOf({ title, label, command, id }: Subject): string {
  return visible(title || label || command || id);
}

export function Head({ source, subject, sums }: {
  source: Source; subject: Subject | null; sums: Sums;
}) {
  const { kind, id } = source;
  const to = kind === "session" ? `/s/${id}` : subject?.kind === "job" ? `/j/${id}` : `/r/${id}`;
  return (
    <header class="trace-top">
      <Brand id={id} />
      <h1 class="clip" dir="auto">
        <span class="hidden">{words.trace}: </span>{subject === null ? "" : titleOf(subject)}
      </h1>
      <span class="muted">{words.spans(count(sums.spans))}</span>
      {sums.errors === 0 ? null : (
        <span class="tone-fail">
          <span aria-hidden="true">✕ </span>{count(sums.errors)}
          <span class="hidden"> {words.errors}</span>
        </span>
      )}
      {sums.tokens === 0 ? null : <span>{words.tokens(count(sums.tokens))}</span>}
      {sums.cost === null && sums.unpriced === 0 ? null : (
        <span>
          {sums.cost === null ? "" : money(sums.cost)}
          {sums.unpriced === 0 ? "" : ` ${words.unpriced(sums.unpriced)}`}
        </span>
      )}
      {sums.cached === 0 ? null : (
        <span class="trace-sum">
          {words.cache} <Cache node={{ sums }} />{" "}
          <span class="muted">{words.cacheOf(count(sums.cached), count(sums.read))}</span>
        </span>
      )}
      <a class="button quiet end" href={to}>
        {kind === "session" ? words.session : words.run}
      </a>
    </header>
  );
}

interface FiltersProps {
  shown: Shown; errors: number; kinds: readonly string[];
  /** Share of the time in which nothing ran, in percent; 0: not worth a word. */
  idle: number;
  zoom: { fit(): void; in(): void; out(): void };
  onError(): void;
}

export function Filters({ shown, errors, kinds, idle, zoom, onError }: FiltersProps) {
  const { setQuery } = useSeat(), field = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => {
    const input = field.current;
    if (input !== null && input !== document.activeElement) input.value = shown.q;
  }, [shown.q]);
  const chip = (name: string, on: boolean, query: string, value: string) => (
    <button key={`${query}${value}`} class="quiet" aria-pressed={on}
      onClick={() => setQuery(query, on ? null : value)}>{name}</button>
  );
  return (
    <div class="trace-filters" role="group" aria-label={words.filters}>
      {errors === 0 && !shown.errors ? null
        : chip(`✕ ${words.errors} ${count(errors)}`, shown.errors, "errors", "1")}
      {kinds.map((kind) => chip(words.kinds[kind] ?? kind, shown.kind === kind, "kind", kind))}
      {chip(words.long, shown.min_ms > 0, "long", "1")}
      {kinds.length < 2 && shown.by === "time" ? null
        : chip(words.byTool, shown.by === "tool", "by", "tool")}
      {shown.turn === null ? null : (
        <button class="quiet" aria-pressed="true" aria-label={words.allTurns(shown.turn)}
          onClick={() => setQuery("turn", null)}>{words.turn(shown.turn)} ×</button>
      )}
      <label class="trace-search">
        <span class="hidden">{words.search}</span>
        <input ref={field} data-filter type="search" dir="auto" defaultValue={shown.q}
          placeholder={words.search}
          onInput={({ currentTarget: { value } }) => {
            clearTimeout(timer.current);
            timer.current = setTimeout(() => setQuery("q", value.trim() || null), TYPING_MS);
          }} />
      </label>
      {shown.collapsed ? (
        <button class="quiet" onClick={() => setQuery("idle", null)}>{words.idleShow}</button>
      ) : idle === 0 ? null : (
        <button class="quiet" onClick={() => setQuery("idle", "collapsed")}>
          {words.idle(idle)}
        </button>
      )}
      <span class="trace-tools">
        <button class="quiet" onClick={zoom.fit}>{words.fit} <Hint of="zoomFit" /></button>
        <button class="quiet" aria-label={words.zoomIn} onClick={zoom.in}>
          + <Hint of="zoomIn" />
        </button>
        <button class="quiet" aria-label={words.zoomOut} onClick={zoom.out}>
          − <Hint of="zoomOut" />
        </button>
        {errors === 0 ? null : (
          <button class="quiet" onClick={onError}>{words.nextError} <Hint of="nextHit" /></button>
        )}
      </span>
    </div>
  );
}
