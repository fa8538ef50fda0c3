/** A run of a flow: the graph of its steps, the one that is chosen beside it, its report. */
import { useEffect, useRef, useState } from "preact/hooks";

import { get, passes, post, type Problem } from "../api/api.ts";
import type { Ask, FlowRun, Run } from "../api/types.ts";
import { ChangesTab } from "../changes/link/tab.tsx";
import { Markdown } from "../markdown/index.ts";
import { Boundary } from "../parts/boundary.tsx";
import { Bounded } from "../parts/bounded.tsx";
import { Brand } from "../parts/brand.tsx";
import { causeText } from "../parts/cause.ts";
import { Copy } from "../parts/copy.tsx";
import { Loading } from "../parts/loading.tsx";
import { State } from "../parts/state.tsx";
import { elapsed, money, tookText } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { beginning, visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import { daemonNow, type Opened } from "../run/open.ts";
import { Hint } from "../shell/kbd.tsx";
import { useKeys } from "../shell/keys.ts";
import { isOpen, useAsks } from "../state/asks.ts";
import { may } from "../state/me.ts";
import { useRead, type Read } from "../state/read.ts";
import { Graph, nameOf } from "./graph.tsx";
import { byIdOf, isBelow, isFailed, isWaiting, resumeOf, sumsOf, type Step } from "./rules.ts";
import { useStart } from "./start.ts";
import { StepDetails } from "./step.tsx";
import { words } from "./words.ts";

const VIEWS = ["graph", "report", "input"] as const;
type ViewName = (typeof VIEWS)[number];
const REPORT_MAX = 32 << 10;
/** Of so many open questions it is looked up where they come from. */
const ASKS_MAX = 50;

/** Reading takes at most a part of the time: pauses grow with what an answer costs. */
const PAUSE_MS = 120, SHARE = 3, PAUSE_MAX_MS = 5_000;

/** The steps as they are now, read again after each event of the run: `history` changes with those,
 *  also after a cut. */
function useFlow({ id, history, row }: Opened): Read<FlowRun> {
  const cost_ms = useRef(0);
  return useRead<FlowRun>(`/runs/${id}/flow`, {
    from: async () => {
      const began = performance.now(), answer = await get<FlowRun>(`/runs/${id}/flow`);
      cost_ms.current = performance.now() - began;
      return answer;
    },
    get pause_ms() {
      return Math.min(PAUSE_MAX_MS, PAUSE_MS + (SHARE + 1) * cost_ms.current);
    },
  }, [history.value, row.value?.state]);
}

/** The run above each run that asks and may be below this one, and above that, up to this one. One
 *  after the other is read: each answer draws anew, and says which is next. */
function useAbove(asks: readonly Ask[], { id, row }: Opened): ReadonlyMap<string, string> {
  const [above, aboveSet] = useState<ReadonlyMap<string, string>>(new Map());
  const isTop = row.value?.parent == null;
  const next = asks.filter((ask) => isOpen(ask) && (!isTop || ask.root_run === id))
    .slice(0, ASKS_MAX).map(({ run }) => {
      let at = run;
      while (above.has(at)) at = above.get(at) ?? "";
      return at;
    }).find((run) => run !== "" && run !== id);
  const { value, problem } = useRead<Run>(next === undefined ? null : `/runs/${next}`);
  useEffect(() => {
    const isGone = problem !== null && !passes(problem);
    if (next === undefined || (value === null && !isGone)) return;
    aboveSet((before) => new Map(before).set(next, value?.parent ?? ""));
  }, [next, value, problem]);
  return above;
}

/** Questions of a step, and of all that is below it. */
function asksOf(asks: readonly Ask[], flow: string, above: ReadonlyMap<string, string>,
  { step_id, run, approval }: Step): Ask[] {
  return asks.filter((ask) => ask.id === approval || (run && isBelow(above, ask.run, run)) ||
    (ask.run === flow && ask.step === step_id));
}

function Sums({ flow, waits, opened }: { flow: FlowRun; waits: number; opened: Opened }) {
  const row = opened.row.value, { done, total, cached, failed, out } = sumsOf(flow.steps);
  const { cost_micros = null, started_ms = null, ended_ms = null } = row ?? {};
  const unknown = (row as { cost_unknown?: number } | null)?.cost_unknown ?? 0;
  const live = ended_ms === null, took = started_ms === null ? null
    : (live ? daemonNow() : ended_ms) - started_ms;
  return (
    <div class="run-sums">
      <span class="run-done">{words.of(done, total)}</span>
      {cached === 0 ? null : <span class="tone-cached">▒ {words.cachedOf(cached)}</span>}
      {waits === 0 ? null : <span class="tone-wait">◆ {words.waits(waits)}</span>}
      {failed === 0 ? null : <span class="tone-fail">✕ {words.failed(failed)}</span>}
      {out === 0 ? null : <span>– {words.out(out)}</span>}
      {took === null ? null : <b data-clock>{live ? elapsed(took) : tookText(took)}</b>}
      {cost_micros === null ? null : <b>{money(cost_micros)}</b>}
      {unknown === 0 ? null : <span>{words.unpriced(unknown)}</span>}
      {flow.rewinds === 0 ? null : <span>{words.rewinds(flow.rewinds)}</span>}
      {flow.resumed_from == null ? null
        : <a href={`/r/${flow.resumed_from}`}>{words.resumed}</a>}
      <Tabs id={opened.id} />
    </div>
  );
}

const viewOf = (query: URLSearchParams): ViewName =>
  VIEWS.find((one) => one === query.get("view")) ?? "graph";

function Tabs({ id }: { id: string }) {
  const seat = useSeat(), now = viewOf(seat.query.value);
  return (
    <nav class="run-tabs" aria-label={words.views}>
      {VIEWS.map((view) => (
        <button key={view} class="tab" aria-current={view === now ? "page" : undefined}
          onClick={() => seat.setQuery("view", view === "graph" ? null : view)}>
          {words.tabs[view]}
        </button>
      ))}
      <a class="tab" href={`/r/${id}/trace`}>{words.trace}<Hint of="trace" /></a>
      <ChangesTab run={id} />
    </nav>
  );
}

/** One sentence: where it waits, or failed. */
function Why({ flow, asking, select }: {
  flow: FlowRun; asking: ReadonlySet<string>; select(id: string): void;
}) {
  const failed = flow.steps.find(({ step_id }) => step_id === flow.failed_step) ??
    flow.steps.find(isFailed);
  const waits = flow.steps.find(({ step_id }) => asking.has(step_id));
  const live = flow.stage !== "over", step = live ? waits ?? failed : failed;
  if (step === undefined) return null;
  const isWait = step !== failed;
  return (
    <p class={`run-why tone-${isWait ? "wait" : "fail"}`}>
      <span aria-hidden="true">{isWait ? "◆" : "✕"} </span>
      {isWait ? words.waitsAt : words.failedStep}{" "}
      <button class="bare" onClick={() => select(step.step_id)}>
        <bdi class="mono">{nameOf(step.step_id)}</bdi>
      </button>
      {isWait || step.note == null || step.note === "" ? null
        : <bdi class="muted"> {visible(beginning(step.note, 400))}</bdi>}
    </p>
  );
}

/** The file of the report. */
function Artifact({ of: { path, error } }: { of: NonNullable<FlowRun["artifact"]> }) {
  return (
    <p class={`run-why flow-file tone-${error === null ? "ok" : "fail"}`}>
      <span aria-hidden="true">{error === null ? "✓" : "✕"} </span>
      {error === null ? words.written : words.notWritten} <bdi class="mono">{visible(path)}</bdi>
      {error === null ? null : <bdi class="muted"> {visible(error)}</bdi>}
    </p>
  );
}

const isLive = (flow: FlowRun, { row }: Opened): boolean =>
  flow.stage !== "over" && row.value?.ended_ms == null;

function Head({ flow, opened, asking, select }: {
  flow: FlowRun; opened: Opened; asking: ReadonlySet<string>; select(id: string): void;
}) {
  const seat = useSeat(), row = opened.row.value, { problem: unfit, start } = useStart();
  const [problem, problemSet] = useState<Problem | null>(null);
  const live = isLive(flow, opened), root = row?.spec.root ?? "";
  const rest = live || row === null ? null : resumeOf(flow, row.parent);
  const stop = async (): Promise<void> => {
    const answer = await post(`/runs/${opened.id}/stop`, {});
    problemSet(answer.ok ? null : answer.problem);
  };
  const stops = live && may("run");
  useKeys([
    ...(stops ? [{ name: "stopJob" as const, once: true, run: () => void stop() }] : []),
    { name: "trace", run: () => seat.go(`/r/${opened.id}/trace`) },
  ]);
  const cause = row?.cause ?? null, about = `/flows/${encodeURIComponent(flow.flow)}${
    root === "" ? "" : `?${new URLSearchParams({ root })}`}`;
  return (
    <header class="run-head">
      <div class="run-title">
        <Brand id={opened.id} />
        <h1 class="mono clip" dir="auto">{visible(row?.label ?? flow.flow)}</h1>
        <State state={live && asking.size > 0 ? "waiting" : flow.state}
          {...(!live && cause !== null && cause !== "completed" &&
            { about: visible(causeText(cause)) })} />
        <span class="muted clip run-about" dir="auto">{visible(words.ofFlow(flow.flow))}</span>
        <span class="end run-buttons">
          {stops ? (
            <button class="quiet" onClick={() => void stop()}>
              {words.stop}<Hint of="stopJob" />
            </button>
          ) : null}
          {rest !== null && may("run")
            ? <button onClick={() => void start(...rest)}>{words.resume}</button> : null}
          {may("run") ? <a class="button" href={about}>{words.startAgain}</a> : null}
        </span>
      </div>
      <Sums flow={flow} waits={live ? asking.size : 0} opened={opened} />
      <Why flow={flow} asking={asking} select={select} />
      {flow.artifact == null ? null : <Artifact of={flow.artifact} />}
      <Trouble problem={problem ?? unfit} />
      <Trouble problem={opened.problem.value} retry={opened.again} />
    </header>
  );
}

function Report({ flow }: { flow: FlowRun }) {
  if (flow.report === "") {
    const isOver = flow.stage === "over";
    return <p class="run-none muted">{isOver ? words.noReportEnded : words.noReport}</p>;
  }
  return (
    <div class="run-result flow-report" tabIndex={0}>
      <section>
        <div class="head">
          <h2>{words.tabs.report}</h2><span class="end"><Copy text={flow.report} /></span>
        </div>
        <Markdown text={flow.report} done />
        {new TextEncoder().encode(flow.report).length >= REPORT_MAX - 4
          ? <p class="muted">{words.cut}</p> : null}
      </section>
    </div>
  );
}

function Input({ flow }: { flow: FlowRun }) {
  const text = JSON.stringify(flow.input, null, 2) ?? "";
  return (
    <div class="run-result" tabIndex={0}>
      <section>
        <div class="head"><h2>{words.input}</h2><span class="end"><Copy text={text} /></span></div>
        <pre dir="auto"><Bounded text={text} /></pre>
      </section>
      <section><h2>{words.file}</h2><p class="mono" dir="auto">{visible(flow.file)}</p></section>
    </div>
  );
}

export function FlowView({ opened }: { opened: Opened }) {
  const seat = useSeat(), { value: flow, problem, again } = useFlow(opened);
  const { items } = useAsks(), above = useAbove(items, opened);
  const chosen = seat.query.value.get("step"), view = viewOf(seat.query.value);
  const select = (id: string | null): void => {
    const before = seat.query.peek().get("step");
    if (id === before || (id === null && before === null)) return;
    if (id === null || before !== null || seat.width.value > 700) return seat.setQuery("step", id);
    const query = new URLSearchParams(seat.query.peek()); // On a phone Back leaves it.
    query.set("step", id);
    seat.go(`${seat.path.peek()}?${query}`);
  };
  const asking = new Set((flow?.steps ?? []).filter((step) => isWaiting(step) ||
    asksOf(items, opened.id, above, step).some(isOpen)).map(({ step_id }) => step_id));
  useEffect(() => {
    seat.waits.value = asking.size;
    return () => void (seat.waits.value = null);
  }, [asking.size]);
  if (flow === null) {
    return problem === null ? <Loading />
      : <div class="page"><Trouble problem={problem} retry={() => void again()} /></div>;
  }
  const step = chosen === null ? undefined : byIdOf(flow.steps).get(chosen);
  return (
    <div class={step === undefined ? "run-page" : "run-page inspected"}>
      <div class="run-middle">
        <Head flow={flow} opened={opened} asking={asking} select={select} />
        <Boundary of={view}>
          {view === "report" ? <Report flow={flow} /> : view === "input" ? <Input flow={flow} /> : (
            <Graph steps={flow.steps} now_ms={daemonNow()} asking={asking} selected={chosen}
              select={select} />
          )}
        </Boundary>
      </div>
      {step === undefined ? null : (
        <Boundary of={step.step_id}>
          <StepDetails key={step.step_id} step={step} steps={flow.steps} now_ms={daemonNow()}
            asks={asksOf(items, opened.id, above, step)} select={select}
            again={isLive(flow, opened) || !may("run") ? null : opened.id} />
        </Boundary>
      )}
    </div>
  );
}
