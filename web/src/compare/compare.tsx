/** Two runs of one script: sums with their differences, and agents that belong together. The
 *  address has the runs, what is shown, and the agent that is open. */
import { useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";

import { Brand } from "../parts/brand.tsx";
import { Loading } from "../parts/loading.tsx";
import { Rows, type RowsHandle } from "../parts/rows.tsx";
import { State } from "../parts/state.tsx";
import { count, spentText, tookText, when } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { useNamed, useSeat } from "../router/router.ts";
import { inspect, isNarrow } from "../run/view.ts";
import { Hint } from "../shell/kbd.tsx";
import { useKeys } from "../shell/keys.ts";
import { now } from "../state/clock.ts";
import { Inspector } from "./inspector.tsx";
import type { Choose } from "./choose.tsx";
import { useSides, type RunRow, type Side } from "./read.ts";
import { aligned, changesOf, counted, isOnly, sumsOf, type Row } from "./rules.ts";
import { RowLine } from "./row.tsx";
import { words } from "./words.ts";

const ROW_PX = 28, STACKED_PX = 48;
const coarse = matchMedia("(pointer: coarse)");

const lastedOf = ({ started_ms, ended_ms }: RunRow): number | null =>
  (started_ms === null ? null : (ended_ms ?? now.value) - started_ms);

type Line = [name: string, a: preact.ComponentChildren, b: preact.ComponentChildren, by: string];

const resultOf = ({ run, print }: Side): preact.ComponentChildren =>
  (print === null ? words.none : <a href={`/r/${run.id}?view=result`}>{words.openResult}</a>);

function linesOf([a, b]: [Side, Side]): Line[] {
  const before = sumsOf(a.agents), after = sumsOf(b.agents);
  const timeA = lastedOf(a.run), timeB = lastedOf(b.run);
  const number = (name: string, of: "agents" | "failed" | "cached" | "tokens"): Line =>
    [name, count(before[of]), count(after[of]), words.signedCount(after[of] - before[of])];
  const unknown = before.cost_unknown + after.cost_unknown > 0 ? " + ?" : "";
  const cost = words.signedMoney(after.cost_micros - before.cost_micros);
  return [
    [words.rows.state, <State state={a.run.state} />, <State state={b.run.state} />, ""],
    number(words.rows.agents, "agents"), number(words.rows.failed, "failed"),
    number(words.rows.cached, "cached"),
    [words.rows.time, timeA === null ? words.none : tookText(timeA),
      timeB === null ? words.none : tookText(timeB),
      timeA === null || timeB === null ? "" : words.signedTime(timeB - timeA)],
    number(words.rows.tokens, "tokens"),
    [words.rows.cost, spentText(before.cost_micros, before.cost_unknown),
      spentText(after.cost_micros, after.cost_unknown), cost + unknown],
    [words.rows.result, resultOf(a), resultOf(b),
      a.print === b.print ? words.sameResult : words.otherResult],
  ];
}

function Sums({ sides }: { sides: [Side, Side] }) {
  const named = useNamed();
  const head = ({ run }: Side, name: string) => (
    <th scope="col">
      <span class="muted">{name}</span>{" "}
      <a href={`/r/${run.id}`} dir="auto" class="mono"><Brand id={run.id} />
        {visible(run.label ?? run.id)}</a>{" "}
      <span class="muted">{when(run.made_ms, now.value)}</span>
    </th>
  );
  return (
    <table class="compare-table compare-sums" aria-label={named(words.sums)}>
      <thead>
        <tr>
          <th scope="col"><span class="hidden">{words.sums}</span></th>
          {head(sides[0], words.before)}{head(sides[1], words.after)}
          <th scope="col">{words.difference}</th>
        </tr>
      </thead>
      <tbody>
        {linesOf(sides).map(([name, a, b, by]) => (
          <tr key={name}>
            <th scope="row">{name}</th><td>{a}</td><td>{b}</td>
            <td class={by === "±0" || by === words.sameResult ? "muted" : ""}>{by}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** What explains that much differs. */
function notesOf([{ run: a }, { run: b }]: [Side, Side]): string[] {
  if (a.id === b.id) return [words.same];
  const notes: string[] = [];
  if (a.spec.name !== b.spec.name) notes.push(words.otherScript);
  else if (a.spec.script !== b.spec.script) notes.push(words.otherText);
  if (JSON.stringify(a.spec.args) !== JSON.stringify(b.spec.args)) notes.push(words.otherArgs);
  if (a.spec.model !== b.spec.model) notes.push(words.otherModel);
  if (a.ended_ms == null || b.ended_ms == null) notes.push(words.goesOn);
  return notes;
}

/** Which row is selected, and the keys that move it. */
function useCursor(rows: readonly Row[], show: (at: number) => void) {
  const seat = useSeat(), given = seat.query.value.get("agent");
  const cursor = useSignal(given);
  useEffect(() => {
    if (given === null) return;
    cursor.value = given;
    show(rows.findIndex(({ pair }) => pair.id === given));
  }, [given]);
  const at = rows.findIndex(({ pair }) => pair.id === cursor.value);
  const to = (next: number): void => {
    const at_ = Math.min(rows.length - 1, Math.max(0, next)), one = rows[at_];
    if (one === undefined) return;
    cursor.value = one.pair.id;
    show(at_);
    if (!isNarrow(seat) && given !== null) inspect(seat, one.pair.id);
  };
  const find = (by: 1 | -1): void => {
    for (let next = (at < 0 && by < 0 ? rows.length : at) + by; rows[next] !== undefined;) {
      if ((rows[next]?.changes.length ?? 0) > 0) return to(next);
      next += by;
    }
  };
  const open = (id = rows[at]?.pair.id): void => {
    if (id === undefined) return;
    cursor.value = id;
    inspect(seat, id);
  };
  useKeys([
    { name: "next", run: () => to(at + 1) }, { name: "previous", run: () => to(at - 1) },
    { name: "open", run: () => open() },
    { name: "leave", run: () => inspect(seat, null) },
    { name: "nextHit", run: () => find(1) }, { name: "previousHit", run: () => find(-1) },
  ]);
  const arrows = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const places: Record<string, number> =
      { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 };
    const next = places[event.key];
    if (next === undefined) return;
    to(next);
    event.preventDefault();
  };
  return { cursor: cursor.value, at, open, arrows };
}

function List({ rows, handle }: { rows: readonly Row[]; handle: RefObject<RowsHandle> }) {
  const seat = useSeat(), named = useNamed(), base = useId();
  const show = (at: number): void => void (at >= 0 && handle.current?.show(at));
  const { cursor, at, open, arrows } = useCursor(rows, show);
  const stacked = isNarrow(seat) || coarse.matches;
  const idOf = (id: string): string => `${base}-${id}`;
  return (
    <div class="compare-list" onKeyDown={arrows}>
      <Rows role="listbox" label={named(words.list)} count={rows.length}
        height={stacked ? STACKED_PX : ROW_PX} handle={handle}
        active={at < 0 ? undefined : idOf(cursor ?? "")}
        draw={(index) => {
          const row = rows[index] as Row, { id } = row.pair;
          return <RowLine key={id} id={idOf(id)} row={row} selected={id === cursor}
            onSelect={() => open(id)} />;
        }} />
    </div>
  );
}

function Both({ sides }: { sides: [Side, Side] }) {
  const seat = useSeat(), { query, setQuery } = seat;
  const all = useMemo((): Row[] => aligned(sides[0].agents, sides[1].agents)
    .map((pair) => ({ pair, changes: changesOf(pair) })), [sides]);
  const only = isOnly(query.value.get("only"), all.length);
  const rows = useMemo(() => (only ? all.filter(({ changes }) => changes.length > 0) : all),
    [all, only]);
  const open = query.value.get("agent"), opened = all.find(({ pair }) => pair.id === open);
  const notes = notesOf(sides), kinds = counted(all);
  const list = useRef<RowsHandle>(null);
  const toggle = (): void => setQuery("only", only ? "0" : "1");
  useKeys([{ name: "onlyChanged", run: toggle }]);
  return (
    <div class={opened === undefined ? "run-page compare" : "run-page compare inspected"}>
      <div class="run-middle">
        <header class="run-head">
          <div class="run-title">
            <h1>{words.title}</h1>
            <button class="quiet" onClick={() => {
              const [a, b] = [sides[0].run.id, sides[1].run.id];
              seat.replace(`/compare?a=${b}&b=${a}`);
            }}>{words.swap}</button>
          </div>
          {notes.map((note) => <p key={note} class="tone-degraded">{note}</p>)}
          <Sums sides={sides} />
          <div class="compare-filter">
            <button aria-pressed={only} onClick={toggle}>
              {words.only}<Hint of="onlyChanged" />
            </button>
            <span role="status">{words.shown(rows.length, all.length)}</span>
            <span class="muted">
              {kinds.map(([change, n]) => words.counted(change, n)).join(" · ")}
            </span>
          </div>
        </header>
        {rows.length > 0 ? <List rows={rows} handle={list} /> : (
          <div class="empty compare-empty">
            <p>{all.length === 0 ? words.noAgents : words.empty}</p>
            {all.length === 0 ? null
              : <p><button onClick={toggle}>{words.showAll}</button></p>}
          </div>
        )}
      </div>
      {opened === undefined ? null : (
        <Inspector key={opened.pair.id} pair={opened.pair}
          runs={[sides[0].run.id, sides[1].run.id]} close={() => inspect(seat, null)}
          back={() => list.current?.focus()} />
      )}
    </div>
  );
}

function Read({ a, b }: { a: string; b: string }) {
  const { value: sides, problem, again } = useSides(a, b);
  if (sides !== null && sides.every(({ run }) => run.kind === "workflow")) {
    return <Both sides={sides} />;
  }
  return (
    <div class="page">
      <h1>{words.title}</h1>
      {sides === null ? problem === null ? <Loading /> : <Trouble problem={problem} retry={again} />
        : <p class="none">{words.notWorkflow}</p>}
    </div>
  );
}

/** Loaded where nobody came with two runs. */
function Chosen({ a, b }: { a: string; b: string }) {
  const [load, loadSet] = useState<{ Choose: typeof Choose } | null>(null);
  useEffect(() => void import("./choose.tsx").then(loadSet), []);
  return load === null ? <Loading /> : <load.Choose a={a} b={b} />;
}

export function Compare() {
  const { query } = useSeat();
  const a = query.value.get("a") ?? "", b = query.value.get("b") ?? "";
  return a === "" || b === "" ? <Chosen a={a} b={b} /> : <Read key={`${a} ${b}`} a={a} b={b} />;
}
