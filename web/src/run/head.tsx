/** The head of a run: what it is, how far, what it costs, why it waits, and what can be done. */
import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";

import type { Problem } from "../api/api.ts";
import type { Budget } from "../api/types.ts";
import { ChangesTab } from "../changes/link/tab.tsx";
import { Brand } from "../parts/brand.tsx";
import { causeText } from "../parts/cause.ts";
import { State } from "../parts/state.tsx";
import { count, elapsed, money, tookText } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import { Hint } from "../shell/kbd.tsx";
import { useKeys } from "../shell/keys.ts";
import { isPlace } from "../shell/places.ts";
import { may } from "../state/me.ts";
import type { Amount } from "../usage/limits.ts";
import { Again } from "./again.tsx";
import { Export } from "./export.tsx";
import { Failures } from "./failures.tsx";
import { sumsOf } from "./layout.ts";
import { filled, isRehearsable } from "./plan.ts";
import {
  inspect, isNarrow, nameOf, useOpened, useOrder, viewOf, VIEWS,
} from "./view.ts";
import { culprit } from "./why.ts";
import { words } from "./words.ts";

/** Spent, reserved and left of the run's own budget, by the amount that is nearest its limit. */
function Fuse({ of }: { of: Budget }) {
  const rates = (Object.keys(of.limits) as Amount[]).flatMap((name) => {
    const limit = of.limits[name], spent = of.spent[name] ?? 0, reserved = of.reserved[name];
    return limit === null ? [] : [{ name, limit, spent, reserved,
      rate: limit === 0 ? 1 : (spent + reserved) / limit }];
  }).sort((a, b) => b.rate - a.rate);
  const [first] = rates;
  if (first === undefined) return null;
  const unit = first.name.replace("_", " ");
  const text = (value: number): string => (first.name === "cost_micros" ? money(value)
    : first.name === "wall_ms" ? elapsed(value) : `${count(value)} ${unit}`);
  const { limit, spent, reserved } = first;
  const share = (value: number): string =>
    `${Math.min(100, limit === 0 ? 100 : (100 * value) / limit)}%`;
  const left = Math.max(0, limit - spent - reserved);
  const unknown = first.name === "cost_micros" ? of.spent.cost_unknown : 0;
  const about = words.fuse(text(spent), text(reserved), text(left)) +
    (unknown === 0 ? "" : ` · ${words.unpriced(unknown)}`);
  return (
    <span class="fuse" title={about}>
      {words.budgetOf(text(limit))}
      <span class="fuse-bar" role="img" aria-label={about}>
        <i style={{ width: share(spent) }} />
        <i class="reserved" style={{ width: share(reserved) }} />
      </span>
    </span>
  );
}

function Sums() {
  const { state, plan, budget, now_ms, at } = useOpened(), run = state.value;
  const timeText = run.end === null ? elapsed : tookText;
  const { total, done, cached, waits, failed } =
    sumsOf(run.agents.values(), filled(plan.value, run).ghosts);
  let cost = 0, unknown = 0;
  for (const agent of run.agents.values()) {
    cost += agent.cost_micros;
    unknown += agent.cost_unknown;
  }
  const isPast = at.value !== null, spent = budget.value?.spent.cost_micros ?? null;
  if (!isPast) unknown = Math.max(unknown, budget.value?.spent.cost_unknown ?? 0);
  const tooMany = useMemo(() => !isRehearsable(run), [run]), { unlisted = 0 } = plan.value ?? {};
  const micros = isPast || spent === null ? cost : Math.max(cost, spent);
  return (
    <div class="run-sums">
      <span class="run-done">{words.of(done, total)}</span>
      {cached === 0 ? null : <span class="tone-cached">▒ {words.cached(cached)}</span>}
      {waits === 0 ? null : <span class="tone-wait">◆ {words.waits(waits)}</span>}
      {failed === 0 ? null : <span class="tone-fail">✕ {words.failed(failed)}</span>}
      {run.began_ms === null ? null
        : <b data-clock>{timeText(now_ms.value - run.began_ms)}</b>}
      <span>
        <b>{money(micros)}</b> {budget.value === null || isPast ? null : <Fuse of={budget.value} />}
      </span>
      {unknown === 0 ? null : <span>{words.unpriced(unknown)}</span>}
      {unlisted > 0 || (tooMany && may("run")) ? <span>{words.unlisted}</span> : null}
      {run.cut ? <span class="tone-degraded">{words.agentsMore}</span> : null}
      <Tabs />
    </div>
  );
}

function Tabs() {
  const { id, state } = useOpened(), seat = useSeat(), now = viewOf(seat);
  const before = state.value.begun.resumed_from;
  const trace = `/r/${id}/trace`, compare = `/compare?a=${before}&b=${id}`;
  return (
    <nav class="run-tabs" aria-label={words.views}>
      {VIEWS.map((view) => (
        <button key={view} class="tab" aria-current={view === now ? "page" : undefined}
          onClick={() => seat.setQuery("view", view === "gantt" ? null : view)}>
          {words.tabs[view]}
        </button>
      ))}
      {isPlace(trace) ? <a class="tab" href={trace}>{words.trace}<Hint of="trace" /></a> : null}
      <ChangesTab run={id} />
      {before == null || !isPlace("/compare") ? null
        : <a class="tab" href={compare}>{words.compare}</a>}
    </nav>
  );
}

/** One sentence: from the run down to the agent that holds it up. */
function Why() {
  const { state, facts, now_ms, at, row } = useOpened(), seat = useSeat();
  if (at.value !== null) return null;
  if (row.value?.gate === "slots" || row.value?.state === "queued") {
    return <p class="run-why tone-queued">○ {words.why.runQueued}</p>;
  }
  const found = culprit(state.value, facts, now_ms.value);
  if (found === null) return null;
  const { agent, sentence, busy } = found;
  const tone = { ask: "wait", budget: "wait", silent: "fail", provider: "degraded", slot: "queued",
    tool: "run", works: "run" }[sentence.kind];
  const shape = tone === "wait" ? "◆" : tone === "run" ? "◔" : "○";
  const path = agent === null ? [] : [agent.phase, nameOf(agent)].filter((part) => part !== "");
  return (
    <p class={`run-why tone-${tone}`} data-clock>
      <span aria-hidden="true">{shape} </span>
      {agent === null ? null : (
        <button class="bare" onClick={() => inspect(seat, agent.id)}>
          <bdi class="mono">{path.map(visible).join(" › ")}</bdi>
        </button>
      )}{" "}
      <bdi>{visible(sentence.text)}</bdi>
      {agent === null || busy === 0 ? null
        : <span class="muted"> · {words.why.others(busy)}</span>}
    </p>
  );
}

function Buttons({ onTrouble }: { onTrouble: (problem: Problem | null) => void }) {
  const { id, state, row, at } = useOpened(), seat = useSeat(), { go } = seat;
  const [asks, asksSet] = useState(false);
  const { end } = state.value, live = end === null && row.value?.ended_ms == null;
  const paused = live && (state.value.paused || row.value?.cause === "paused");
  const order = useOrder(onTrouble), trace = `/r/${id}/trace`;
  const pause = (): void => void order(`/runs/${id}/${paused ? "resume" : "pause"}`);
  const stop = (): void => void order(`/runs/${id}/stop`);
  const allowed = may("run");
  useKeys([
    ...(allowed && live ? [{ name: "pause" as const, once: true, run: pause },
      { name: "stopJob" as const, once: true, run: stop }] : []),
    ...(isPlace(trace) ? [{ name: "trace" as const, run: () => go(trace) }] : []),
  ]);
  const file = isPlace("/runs") ? <Export id={id} onTrouble={onTrouble} /> : null;
  const buttons = !allowed ? null : (
    <>
      {live ? (
        <>
          <button class="quiet" onClick={pause}>
            {paused ? words.resume : words.pause}<Hint of="pause" />
          </button>
          <button class="quiet" onClick={stop}>{words.stop}<Hint of="stopJob" /></button>
        </>
      ) : null}
      <button onClick={() => asksSet(true)}>{at.value === null && !live ? words.againAll
        : words.again}</button>
    </>
  );
  return (
    <span class="end run-buttons">
      {isNarrow(seat) ? null : buttons}
      {file === null ? null : (
        <details class="run-menu">
          <summary class="button" aria-label={words.actions}>⋯</summary>
          <span>{isNarrow(seat) ? buttons : null}{file}</span>
        </details>
      )}
      {asks ? <Again onClose={() => asksSet(false)} /> : null}
    </span>
  );
}

export function Head({ children }: { children: ComponentChildren }) {
  const { id, state, row, at } = useOpened(), run = state.value;
  const [problem, problemSet] = useState<Problem | null>(null);
  const { end, begun } = run, given = row.value;
  const now = at.value !== null ? end?.state ?? "running" : end?.state ?? given?.state ?? "running";
  const paused = run.paused || (at.value === null && given?.cause === "paused");
  const cause = end?.cause ?? (paused ? words.paused : null);
  const name = given?.label ?? begun.name ?? id;
  return (
    <header class="run-head">
      <div class="run-title">
        <Brand id={id} />
        <h1 class="mono clip" dir="auto">{visible(name)}</h1>
        <State state={paused ? "queued" : now} {...(cause !== null && cause !== "completed" && {
          about: causeText(cause) })} />
        <span class="muted clip run-about" dir="auto">{visible(begun.description ?? "")}</span>
        <Buttons onTrouble={problemSet} />
      </div>
      <Sums />
      <Why />
      <Failures />
      <Trouble problem={problem} />
      {children}
    </header>
  );
}
