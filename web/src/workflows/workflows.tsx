/** The catalog of workflows and flows: those of a project, of the home, and built in. */
import { useEffect, useId, useMemo, useRef } from "preact/hooks";

import { Brand } from "../parts/brand.tsx";
import { Loading } from "../parts/loading.tsx";
import { Search } from "../parts/search.tsx";
import { Section } from "../parts/section.tsx";
import { useSelection } from "../parts/select.ts";
import { State } from "../parts/state.tsx";
import { ago, spentText } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { beginning, visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import type { RunRow } from "../runs/rules.ts";
import { useKeys } from "../shell/keys.ts";
import { now } from "../state/clock.ts";
import { useRead } from "../state/read.ts";
import { followRows } from "../state/rows.ts";
import { Folder } from "./folder.tsx";
import { queryOf } from "./open.ts";
import { grouped, lastRuns, placeOf, type Kind, type Listed, type Workflow } from "./rules.ts";
import { words } from "./words.ts";

const ABOUT_MAX = 300, UNCHECKED_TRIES = 20;

interface Place { path: string; origin: string; found: boolean; files: number; truncated: boolean;
  problem?: string }
interface Catalog { workflows?: Workflow[]; flows?: Workflow[]; places: Place[];
  unchecked?: number }

/** The newest runs tell the last one of each name. */
function useRuns(of: Kind): readonly RunRow[] {
  const list = useMemo(() => followRows<RunRow>({
    path: `/runs?kind=${of}&limit=200`, type: "run_changed",
    fits: ({ kind }) => kind === of, newest: ({ made_ms }) => made_ms,
  }), []);
  useEffect(() => list.end, [list]);
  return list.rows.value.items;
}

function useCatalog(kind: Kind, root: string) {
  const read = useRead<Catalog>(`/${kind}s${queryOf(root)}`);
  const tries = useRef(0);
  useEffect(() => { // A list checks some; the next one has others.
    if ((read.value?.unchecked ?? 0) > 0 && tries.current++ < UNCHECKED_TRIES) read.again();
  }, [read.value]);
  const found = read.value?.[`${kind}s`] ?? [];
  return { ...read, listed: found.map((flow): Listed => ({ kind, flow })) };
}

function Price({ cost_micros: cost = null, cost_unknown: unknown = 0 }: RunRow) {
  return (
    <span class="num cost">
      {cost === null && unknown === 0 ? "" : spentText(cost, unknown)}
    </span>
  );
}

function Last({ run, name }: { run: RunRow | undefined; name: string }) {
  if (run === undefined) return <span class="muted last">{words.neverRun}</span>;
  return (
    <>
      <a class="last" href={`/r/${run.id}`}>
        <span class="hidden">{words.lastRun(name)}</span>
        <Brand id={run.id} /><State state={run.state} />
      </a>
      <Price {...run} />
      <span class="num muted age">{ago(now.value - run.made_ms)}</span>
    </>
  );
}

function Row({ one, id, root, run, selected }: {
  one: Listed; id: string; root: string; run: RunRow | undefined; selected: boolean;
}) {
  const { error, shadowed, description, name: given } = one.flow, name = visible(given);
  const by = one.flow.shadowed_by ?? "";
  return (
    <div class={`row flow${selected ? " sel" : ""}`} data-row={id} tabIndex={-1}
      aria-current={selected}>
      <span class="flow-name">
        {shadowed ? <span class="name mono clip muted" dir="auto">{name}</span>
          : <a class="name mono clip" href={placeOf(one, root)} dir="auto">{name}</a>}
        {one.kind === "flow" ? <span class="muted small">{words.flow}</span> : null}
      </span>
      {error !== undefined ? (
        <span class="clip tone-fail" dir="auto">
          <span aria-hidden="true">✕ </span>
          {words.broken(error.line, visible(beginning(error.detail, ABOUT_MAX)))}
        </span>
      ) : shadowed ? (
        <span class="clip muted" dir="auto">⊘ {words.shadowed}. {
          words.shadowedBy(visible(by))}</span>
      ) : (
        <span class="clip muted" dir="auto">{visible(beginning(description, ABOUT_MAX))}</span>
      )}
      {shadowed ? null : <Last run={run} name={name} />}
    </div>
  );
}

function None({ origin, root }: { origin: string; root: string }) {
  if (origin === "project" && root === "") return <p class="none">{words.noFolder}</p>;
  return (
    <div class="none">
      <p>{words.noneOf[origin]}</p>
      {origin === "project" ? <pre>{words.newCommand}</pre> : null}
    </div>
  );
}

function Places({ places }: { places: Place[] }) {
  return (
    <details class="flow-places">
      <summary>{words.places}</summary>
      <ul>
        {places.map(({ path, found, files, truncated, problem }) => (
          <li key={path}>
            <bdi class="mono">{visible(path)}</bdi>{" "}
            <span class="muted">
              {problem !== undefined ? visible(problem)
                : found ? words.placeFiles(files) : words.placeNone}
              {truncated ? `, ${words.cut}` : ""}
            </span>
          </li>
        ))}
      </ul>
    </details>
  );
}

export function Workflows() {
  const { query, go, setQuery } = useSeat(), base = useId();
  const root = query.value.get("root") ?? "", q = query.value.get("q") ?? "";
  const scripts = useCatalog("workflow", root), graphs = useCatalog("flow", root);
  const last = lastRuns([...useRuns("workflow"), ...useRuns("flow")]);
  const groups = grouped([...scripts.listed, ...graphs.listed], q);
  const value = scripts.value === null || graphs.value === null ? null
    : [...scripts.value.places, ...graphs.value.places];
  const problem = scripts.problem ?? graphs.problem;
  const again = (): void => [scripts, graphs].forEach((one) => one.again());
  const idOf = ({ kind, flow }: Listed): string => `${base}${kind}${flow.origin}${flow.file}`;
  const rows = groups.flatMap(([, flows]) => flows.map((one) => ({ id: idOf(one), one })));
  const select = useSelection(rows.map(({ id }) => id));
  const open = (): void => {
    const found = rows.find(({ id }) => id === select.id)?.one;
    if (found !== undefined && !found.flow.shadowed) go(placeOf(found, root));
  };
  useKeys([
    { name: "next", run: () => select.step(1) },
    { name: "previous", run: () => select.step(-1) },
    { name: "open", run: open },
  ]);
  const isNone = value !== null && q !== "" && rows.length === 0;
  return (
    <div class="page flows">
      <div class="head">
        <h1>{words.title}</h1>
        <Search q={q} label={words.filter} about={words.filterAbout} />
      </div>
      <Folder root={root} />
      <Trouble problem={problem} retry={again} />
      {value === null && problem === null ? <Loading /> : null}
      {isNone ? (
        <div class="empty">
          <p>{words.none}</p>
          <p><button onClick={() => setQuery("q", null)}>{words.clear}</button></p>
        </div>
      ) : null}
      <div onFocusIn={select.onFocusIn}>
        {value === null || isNone ? null : groups.map(([origin, flows]) => (
          q !== "" && flows.length === 0 ? null : (
            <Section key={origin} title={words.origins[origin] ?? origin} count={flows.length}>
              {flows.length === 0 ? <None origin={origin} root={root} /> : null}
              {flows.map((one) => {
                const id = idOf(one);
                return <Row key={id} one={one} id={id} root={root} selected={id === select.id}
                  run={last.get(`${one.kind} ${one.flow.name}`)} />;
              })}
            </Section>
          )
        ))}
      </div>
      {value === null ? null : <Places places={value} />}
    </div>
  );
}
