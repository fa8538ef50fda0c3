/** One agent: its state and why, its question, what it does now, its prompt, tools and result. */
import { useState } from "preact/hooks";

import { get, type Problem } from "../api/api.ts";
import type { Page, SpanRow } from "../api/types.ts";
import { AskCard } from "../ask/ask.tsx";
import { Markdown } from "../markdown/index.ts";
import { Bounded } from "../parts/bounded.tsx";
import { causeText } from "../parts/cause.ts";
import { useSheet } from "../parts/sheet.ts";
import { State } from "../parts/state.tsx";
import { count, elapsed, money } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { useNamed, useSeat } from "../router/router.ts";
import { Hint } from "../shell/kbd.tsx";
import { useKeys } from "../shell/keys.ts";
import { useAsks } from "../state/asks.ts";
import { may } from "../state/me.ts";
import { useRead, type Read } from "../state/read.ts";
import { Facts, type Fact } from "./facts.tsx";
import { isOver, type Agent } from "./fold.ts";
import {
  agentAt, inspect, markOf, nameOf, useOpened, useOrder,
} from "./view.ts";
import { isHeard, pulse, sentence } from "./why.ts";
import { words } from "./words.ts";

const GOOD = "succeeded";

interface Details { spec: { prompt?: string }; result?: unknown }

/** Calls of tools that are read, the first ones. */
const TOOLS_MAX = 200;

interface Known { details: Details; spans: SpanRow[]; more: boolean }

/** Its whole prompt, its result and its tools, read anew when an event tells of it. */
const useDetails = ({ run, at_ms }: Agent, tick: unknown): Read<Known> =>
  useRead<Known>(run, { from: async () => {
    const [details, page] = await Promise.all([
      get<Details>(`/runs/${run}`),
      get<Page<SpanRow>>(`/runs/${run}/spans?below=1&limit=${TOOLS_MAX}&kind=tool`),
    ]);
    if (!details.ok) return details;
    if (!page.ok) return page;
    const { items: spans, next } = page.value;
    return { ok: true, value: { details: details.value, spans, more: next !== null } };
  } }, [at_ms, tick]);

function Question({ agent }: { agent: Agent }) {
  const { at } = useOpened(), { items } = useAsks(), [first] = agent.asks;
  if (first === undefined) return null;
  const ask = items.find(({ id }) => id === first.approval);
  if (at.value !== null || ask === undefined) {
    return <section><h3 class="tone-wait">◆ {words.pastAsk(visible(first.tool))}</h3></section>;
  }
  return (
    <section><AskCard ask={ask} /></section>
  );
}

function Now({ agent }: { agent: Agent }) {
  const { facts, now_ms } = useOpened(), known = facts(agent);
  const { progress, known: row } = known, usage = row?.usage;
  const read = usage === undefined ? 0 : usage.fresh + usage.cache_read + usage.cache_write;
  const tokens = progress?.tokens ?? row?.tokens ?? 0;
  const cost = Math.max(agent.cost_micros, progress?.cost_micros ?? row?.cost_micros ?? 0);
  const over = isOver(agent), end = agent.ended_ms ?? now_ms.value;
  const said = sentence(known, now_ms.value);
  const list: Fact[] = [
    [words.lastWord, over || !isHeard(known) ? null : words.ago(pulse(known, now_ms.value))],
    [words.took, agent.began_ms === null || agent.cached ? null : elapsed(end - agent.began_ms)],
    [words.tokens, tokens === 0 ? null : `${count(tokens)}${read === 0 ? "" : words.cacheRate(
      Math.round((100 * (usage?.cache_read ?? 0)) / read))}`],
    [words.output, agent.tokens === 0 ? null : count(agent.tokens)],
    [words.cost, cost === 0 && agent.cost_unknown === 0 ? null : `${money(cost)}${
      agent.cost_unknown === 0 ? "" : ` + ${words.unpriced(agent.cost_unknown)}`}`],
    [words.attempt, agent.attempt > 1 ? agent.attempt : null],
    [words.model, agent.model === null ? null : <bdi class="mono">{visible(agent.model)}</bdi>],
    [words.type, agent.type === null ? null : <bdi class="mono">{visible(agent.type)}</bdi>],
    [words.worktree, agent.worktree === null && agent.isolation !== "worktree" ? null
      : <bdi class="mono">{visible(agent.worktree ?? agent.isolation ?? "")}</bdi>],
    [words.place, agent.line === null ? null : words.line(agent.line)],
    [words.ranAs, agent.cached_from === null ? null
      : <a class="mono" href={`/r/${agent.cached_from}`}>{agent.cached_from}</a>],
  ];
  return (
    <section>
      <h3>{words.now}</h3>
      {said === null ? null : <p class={`is-${said.kind}`} data-clock>{visible(said.text)}</p>}
      <Facts list={list} />
    </section>
  );
}

function Tools({ spans, more }: { spans: SpanRow[]; more: boolean }) {
  const names = new Map<string, SpanRow[]>();
  for (const span of spans) names.set(span.name, [...(names.get(span.name) ?? []), span]);
  return (
    <section>
      <h3>{words.tools}</h3>
      {names.size === 0 ? <p class="muted">{words.noTools}</p> : (
        <ul class="run-tools">
          {[...names].map(([name, list]) => (
            <li key={name}>
              <State state={list.find(({ state }) => state !== GOOD)?.state ?? GOOD} />
              <span class="mono clip" dir="auto">{visible(name)}</span>
              {list.length === 1 ? null : <span class="muted">{words.times(list.length)}</span>}
            </li>
          ))}
        </ul>
      )}
      {more ? <p class="muted">{words.toolsMore(TOOLS_MAX)}</p> : null}
    </section>
  );
}

function Buttons({ agent, onTrouble }: {
  agent: Agent; onTrouble: (problem: Problem | null) => void;
}) {
  const { at, row } = useOpened();
  const live = !isOver(agent) && at.value === null && row.value?.ended_ms == null &&
    agent.run !== null;
  const allowed = live && may("run");
  const give = useOrder(onTrouble);
  const order = (what: string) => give(`/runs/${agent.run}/${what}`);
  useKeys(!allowed ? [] : [
    { name: "again", once: true, run: () => void order("restart") },
    { name: "skip", once: true, run: () => void order("skip") },
  ]);
  return (
    <div class="buttons">
      {allowed ? (
        <>
          <button onClick={() => void order("restart")}>{words.restart}<Hint of="again" /></button>
          <button onClick={() => void order("skip")}>{words.skip}<Hint of="skip" /></button>
        </>
      ) : null}
      {agent.session === null ? null
        : <a class="button" href={`/s/${agent.session}`}>{words.session}</a>}
    </div>
  );
}

function Whole({ agent }: { agent: Agent }) {
  const { facts, state, now_ms, at } = useOpened(), live = !isOver(agent) && at.value === null;
  const [problem, problemSet] = useState<Problem | null>(null);
  const { value, problem: unread } =
    useDetails(agent, live ? facts(agent).progress?.tool : null);
  const { details, spans = [], more = false } = value ?? {};
  const prompt = details?.spec.prompt ?? agent.prompt, { result } = details ?? {};
  const before = spans.filter(({ started_ms }) => at.value === null || started_ms <= now_ms.value)
    .map((span): SpanRow => (at.value !== null && (span.ended_ms ?? Infinity) > state.value.at_ms
      ? { ...span, state: "running" } : span));
  return (
    <>
      <Question agent={agent} />
      {agent.note === null && agent.cause === null ? null : (
        <section>
          <h3>{words.cause}</h3>
          <p dir="auto">
            <bdi>{visible(agent.note ?? "")}</bdi> <code>{causeText(agent.cause)}</code>
          </p>
        </section>
      )}
      <Now agent={agent} />
      <section>
        <h3>{words.prompt}</h3>
        <pre class="run-prompt" dir="auto"><Bounded text={prompt} /></pre>
      </section>
      <Trouble problem={unread} />
      <Tools spans={before} more={more} />
      {!isOver(agent) || result == null ? null : (
        <section>
          <h3>{words.result}</h3>
          {typeof result === "string" ? <Markdown text={result} done />
            : <pre dir="auto"><Bounded text={JSON.stringify(result, null, 2)} /></pre>}
        </section>
      )}
      <Trouble problem={problem} />
      <Buttons agent={agent} onTrouble={problemSet} />
    </>
  );
}

export function Inspector({ id }: { id: string }) {
  const agent = agentAt(useOpened().state.value, id), seat = useSeat();
  const close = (): void => inspect(seat, null);
  useKeys([{ name: "leave", run: close }]);
  return agent === undefined ? null : <One agent={agent} close={close} />;
}

function One({ agent, close }: { agent: Agent; close(): void }) {
  const seat = useSeat(), named = useNamed(), [shape, tone] = markOf(agent), name = nameOf(agent);
  const button = useSheet(() =>
    seat.box?.querySelector<HTMLElement>(".run-list .windowed")?.focus({ preventScroll: true }));
  return (
    <aside class="inspector" aria-label={named(words.inspector(name))}>
      <div class="inspector-title">
        <span class={`shape tone-${tone}`} aria-hidden="true">{shape}</span>
        <h2 class="mono clip" dir="auto">{name}</h2>
        <button class="quiet end" aria-label={words.close} ref={button}
          onClick={close}>✕</button>
      </div>
      <State state={agent.state === "retrying" ? "running" : agent.state}
        {...(agent.phase !== "" && { about: visible(agent.phase) })} />
      <Whole key={agent.id} agent={agent} />
    </aside>
  );
}
