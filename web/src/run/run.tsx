/** A run: of a workflow its tree and its past; other kinds lead to the places that show them. */
import { useSignalEffect } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { get } from "../api/api.ts";
import { Boundary } from "../parts/boundary.tsx";
import { copyText } from "../parts/copy.tsx";
import { Loading } from "../parts/loading.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { useSeat } from "../router/router.ts";
import type { Params } from "../router/routes.ts";
import type { RunRow as Row } from "../runs/rules.ts";
import { useKeys } from "../shell/keys.ts";
import { isPlace } from "../shell/places.ts";
import type { FlowView } from "../flow/steps.tsx";
import { useRead } from "../state/read.ts";
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

const SAID_MS = 4_000;

/** `y`: the address of what is shown. */
function Link() {
  const [said, saidSet] = useState("");
  const copy = async (): Promise<void> =>
    saidSet(await copyText(location.href) ? words.linkCopied : words.linkNotCopied);
  useKeys([{ name: "copyLink", run: () => void copy() }]);
  useEffect(() => {
    if (said === "") return undefined;
    const timer = setTimeout(() => saidSet(""), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  return <p class={said === "" ? "hidden" : "run-said"} role="status">{said}</p>;
}

/** A run of another kind: its place takes the place of this one, if it has any. */
function Other({ row }: { row: Row }) {
  const seat = useSeat(), { value } = useRead<{ place: string | null }>(row.id,
    { from: async () => ({ ok: true, value: { place: await placeOf(row) } }) });
  const place = value?.place ?? null;
  useEffect(() => {
    if (place !== null) seat.replace(place);
  }, [place]);
  if (value === null || place !== null) return <Loading />;
  return (
    <div class="page">
      <h1>{words.run}</h1>
      <p>{words.elsewhere}</p>
      {row.parent === null ? null : <p><a href={`/r/${row.parent}`}>{words.toParent}</a></p>}
    </div>
  );
}

/** A flow: its view is loaded when the first one is shown. */
function Flow({ opened }: { opened: Opened }) {
  const [One, oneSet] = useState<typeof FlowView | null>(null);
  const [failed, failedSet] = useState(false);
  useEffect(() => {
    import("../flow/steps.tsx").then(({ FlowView }) => oneSet(() => FlowView),
      () => failedSet(true));
  }, []);
  if (failed) return <p class="page" role="alert">{words.otherBuild}</p>;
  return One === null ? <Loading /> : <One opened={opened} />;
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
  const trace = `/r/${id}/trace`, isTrace = seat.query.value.get("view") === "trace";
  useEffect(() => {
    if (isTrace && isPlace(trace)) seat.replace(trace);
  }, [isTrace]);
  if (row !== null && row.kind === "flow") return <Flow opened={opened} />;
  if (row !== null && row.kind !== "workflow") return <Other row={row} />;
  if (row === null) {
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
          <Head><Trouble problem={problem} retry={opened.again} /><Link /></Head>
          <Boundary of={viewOf(seat)}><View /></Boundary>
          <Scrubber />
        </div>
        {agent === null ? null : <Boundary of={agent}><Inspector id={agent} /></Boundary>}
      </div>
    </OpenedContext.Provider>
  );
}

export const Run = ({ id = "" }: Params) => <One key={id} id={id} />;
