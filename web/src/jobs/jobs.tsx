/** The list of jobs, newest first, and the form that runs a command. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import type { Problem as Given } from "../api/api.ts";
import type { Run } from "../api/types.ts";
import { Loading } from "../parts/loading.tsx";
import { Search } from "../parts/search.tsx";
import { useSelection } from "../parts/select.ts";
import { Trouble } from "../parts/trouble.tsx";
import { useSeat } from "../router/router.ts";
import { useKeys } from "../shell/keys.ts";
import { may } from "../state/me.ts";
import { followRows, type RowsFollow } from "../state/rows.ts";
import { RunForm } from "./form.tsx";
import { Row } from "./row.tsx";
import { fits, pathOf, STATES, type JobsFilter } from "./rules.ts";
import { words } from "./words.ts";

function useJobs(filter: JobsFilter): RowsFollow<Run> {
  const { state, q, top } = filter;
  const list = useMemo(() => followRows<Run>({
    path: pathOf(filter), type: "run_changed", fits: (row) => fits(row, filter),
    newest: ({ made_ms }) => made_ms,
  }), [state, q, top]);
  useEffect(() => list.end, [list]);
  // An event has no command: a job without a label is read, once.
  const asked = useRef(new Set<string>());
  const nameless = list.rows.value.items.filter((row) =>
    row.label === null && row.command === undefined && !asked.current.has(row.id));
  useEffect(() => {
    if (nameless.length === 0) return;
    nameless.forEach(({ id }) => asked.current.add(id));
    list.again();
  }, [nameless.length, list]);
  return list;
}

function Filters({ state, q, top }: JobsFilter) {
  const { setQuery } = useSeat();
  return (
    <div class="filters">
      <Search q={q} label={words.filter} about={words.filterAbout} />
      <label>
        <span class="hidden">{words.state}</span>
        <select value={state}
          onChange={({ currentTarget: { value } }) => setQuery("state", value || null)}>
          <option value="">{words.all}</option>
          {Object.keys(STATES).map((one) => (
            <option key={one} value={one}>{words.states[one]}</option>
          ))}
        </select>
      </label>
      <label class="check">
        <input type="checkbox" checked={top}
          onChange={({ currentTarget: { checked } }) => setQuery("top", checked ? "1" : null)} />
        {words.top}
      </label>
    </div>
  );
}

function Empty({ filtered }: { filtered: boolean }) {
  const { setQuery } = useSeat();
  return (
    <div class="empty">
      <p>{filtered ? words.none : words.empty}</p>
      {filtered ? (
        <p><button onClick={() => ["q", "state", "top"].forEach((name) => setQuery(name, null))}>
          {words.clear}
        </button></p>
      ) : <><p class="muted">{words.emptyNext}</p><pre>{words.emptyCommand}</pre></>}
    </div>
  );
}

export function Jobs() {
  const { query } = useSeat();
  const state = query.value.get("state") ?? "", q = query.value.get("q") ?? "";
  const top = query.value.get("top") === "1";
  const list = useJobs({ state, q, top });
  const { items, next, ready, problem } = list.rows.value;
  const [open, openSet] = useState(false);
  const [refused, refusedSet] = useState<Given | null>(null);
  const selection = useSelection(items.map(({ id }) => id));
  useKeys([
    { name: "next", run: () => selection.step(1) },
    { name: "previous", run: () => selection.step(-1) },
    ...(may("run") ? [{ name: "runJob" as const, run: () => openSet(true) }] : []),
  ]);
  return (
    <div class="page jobs">
      <div class="head">
        <h1>{words.title}</h1>
        <Filters state={state} q={q} top={top} />
        {may("run") ? (
          <button class="main end" onClick={() => openSet(true)}>{words.run}</button>
        ) : null}
      </div>
      <Trouble problem={refused ?? problem} retry={problem === null ? undefined : list.again} />
      {!ready && problem === null ? <Loading /> : null}
      {ready && items.length === 0 ? <Empty filtered={state !== "" || q !== "" || top} /> : null}
      <div onFocusIn={selection.onFocusIn}>
        {items.map((job) => <Row key={job.id} job={job} failed={refusedSet} />)}
      </div>
      {next === null ? null : (
        <p class="more"><button onClick={() => void list.more()}>{words.more}</button></p>
      )}
      {open ? <RunForm close={() => openSet(false)} /> : null}
    </div>
  );
}
