/** A run: of a workflow its tree and its past; other kinds lead to the places that show them. */
import { useSignalEffect } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";

import { get } from "../api/api.ts";
import { Boundary } from "../parts/boundary.tsx";
import { Loading } from "../parts/loading.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { useSeat } from "../router/router.ts";
import type { Params } from "../router/routes.ts";
import type { Run as Row } from "../state/types.ts";
import { Head } from "./head.tsx";
import { Inspector } from "./inspector.tsx";
import { List } from "./list.tsx";
import { LogView } from "./log.tsx";
import { openRun, type Opened } from "./open.ts";
import { ResultView } from "./result.tsx";
import { ScriptView } from "./script.tsx";
import { Scrubber } from "./scrubber.tsx";
import { OpenedContext, viewOf } from "./view.ts";
import { words } from "./words.ts";

/** Where a run of another kind is shown. */
async function placeOf(run: Row): Promise<string | null> {
  if (run.kind === "job") return `/j/${run.id}`;
  const session = run.session ?? /^session:(ses_\w+)$/.exec(run.stream ?? "")?.[1];
  if (run.kind === "turn" && session) return `/s/${session}`;
  if (run.kind !== "agent" || run.parent === null) return null;
  const parent = await get<Row>(`/runs/${run.parent}`);
  return parent.ok && parent.value.kind === "workflow" ? `/r/${run.parent}?agent=${run.id}` : null;
}

/** `?at=` and what is shown are the same; while the scrubber is dragged, the address follows. */
const SETTLE_MS = 200;

function useAt(opened: Opened): void {
  const seat = useSeat(), given = seat.query.value.get("at");
  const written = useRef<string | null>(null); // What we wrote leads to nothing.
  useEffect(() => {
    if (given === written.current) return;
    written.current = given;
    const seq = Number(given);
    opened.at.value = Number.isSafeInteger(seq) && seq > 0 ? seq : null;
  }, [given]);
  useSignalEffect(() => {
    const wanted = opened.at.value === null ? null : String(opened.at.value);
    const timer = setTimeout(() => {
      if (written.current === wanted) return;
      written.current = wanted;
      seat.setQuery("at", wanted);
    }, SETTLE_MS);
    return () => clearTimeout(timer);
  });
}

function View() {
  const view = viewOf(useSeat());
  if (view === "script") return <ScriptView />;
  if (view === "log") return <LogView />;
  if (view === "result") return <ResultView />;
  return <List gantt={view === "gantt"} />;
}

function One({ id }: { id: string }) {
  const seat = useSeat();
  const opened = useMemo(() => openRun(id), []);
  useEffect(() => opened.end, []);
  useAt(opened);
  const row = opened.row.value, problem = opened.problem.value;
  const isOther = row !== null && row.kind !== "workflow";
  useEffect(() => {
    if (isOther) void placeOf(row).then((place) => place !== null && seat.replace(place));
  }, [isOther]);
  if (row === null || isOther) {
    return problem === null ? <Loading /> : (
      <div class="page">
        <h1>{words.run}</h1>
        <Trouble problem={problem} retry={opened.again} />
      </div>
    );
  }
  const agent = seat.query.value.get("agent");
  return (
    <OpenedContext.Provider value={opened}>
      <div class={agent === null ? "run-page" : "run-page inspected"}>
        <div class="run-middle">
          <Head />
          <Boundary of={viewOf(seat)}><View /></Boundary>
          <Scrubber />
        </div>
        {agent === null ? null : <Boundary of={agent}><Inspector id={agent} /></Boundary>}
      </div>
    </OpenedContext.Provider>
  );
}

export const Run = ({ id = "" }: Params) => <One key={id} id={id} />;
