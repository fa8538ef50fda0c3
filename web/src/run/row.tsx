/** One row of the tree and of the Gantt: its name, and what stands on its track. */
import type { ComponentChildren } from "preact";

import { causeText } from "../parts/cause.ts";
import { State } from "../parts/state.tsx";
import { count, money, tookText } from "../parts/text.ts";
import { visible } from "../parts/visible.ts";
import { isOver, type Agent, type Bar } from "./fold.ts";
import { ghostSpan, isBad, spanOf, type Row, type Window } from "./layout.ts";
import { markOf, nameOf } from "./view.ts";
import { isHeard, pulse, sentence, type Facts, type Sentence } from "./why.ts";
import { words } from "./words.ts";

export interface Shown {
  window: Window;
  now_ms: number;
  /** Of the ghosts, in their order. */
  waves: readonly number[];
  gantt: boolean;
  facts(agent: Agent): Facts;
}

/** Colour of a bar: what was done in vain is red, what came to something is green. */
function toneOf(agent: Agent, { kind, attempt }: Bar): string {
  if (kind !== "run") return kind;
  if (!isOver(agent)) return attempt < agent.attempt ? "fail" : "live";
  if (attempt < agent.attempt || isBad(agent)) return "fail";
  return agent.state === "cancelled" ? "stopped" : agent.state === "degraded" ? "degraded" : "ok";
}

interface PartProps { agent: Agent; shown: Shown; said: Sentence | null }

/** What a row says where it does not move, or failed. */
function aboutOf(agent: Agent, said: Sentence | null): string {
  if (said !== null) return said.kind === "works" ? "" : said.text;
  return isBad(agent) || agent.state === "degraded" ? agent.note ?? causeText(agent.cause) : "";
}

function Track({ agent, shown, said }: PartProps) {
  const { window, now_ms } = shown, about = visible(aboutOf(agent, said));
  let end = 0, start = 100;
  const bars = agent.bars.map((bar, at) => {
    const span = spanOf(window, bar.from_ms, bar.to_ms ?? now_ms);
    if (span === null) return null;
    end = Math.max(end, span.left + span.width);
    start = bar.to_ms === null ? span.left : start;
    return (
      <i key={at} class={`bar-${toneOf(agent, bar)}`} data-bar={toneOf(agent, bar)}
        title={words.bars[bar.kind]}
        style={{ left: `${span.left}%`, width: `${span.width}%` }} />
    );
  });
  // Beside a bar that is over; inside one that goes on, or before it where there is no room.
  const inside = start < 100, room = inside ? 100 - start : 100 - end;
  const place = room < 25 ? { right: `${100 - (inside ? start : Math.max(0, end - 2))}%` }
    : { left: `${inside ? start : end}%` };
  return (
    <span class="track">
      {bars}
      {about === "" ? null : (
        <span class={`track-text${said === null ? "" : ` is-${said.kind}`}`} style={place}
          data-clock={said === null ? undefined : true}><bdi>{about}</bdi></span>
      )}
    </span>
  );
}

function took(agent: Agent, now_ms: number): string {
  const from = agent.began_ms;
  if (from === null || agent.cached) return "";
  return tookText((agent.ended_ms ?? now_ms) - from);
}

function Meta({ agent, shown, said }: PartProps) {
  const { progress, known } = shown.facts(agent), tokens = progress?.tokens ?? known?.tokens ?? 0;
  if (isOver(agent)) {
    return <span class="row-meta">
      {agent.attempt > 1 ? words.attempts(agent.attempt) : took(agent, shown.now_ms)}
    </span>;
  }
  const text = said?.kind === "slot" ? "" : tokens > 0 ? count(tokens) : took(agent, shown.now_ms);
  return <span class="row-meta" data-clock>{text}</span>;
}

function Cells({ agent, shown, said }: PartProps) {
  const facts = shown.facts(agent), { cost_micros: cost, cost_unknown: unknown } = agent;
  const about = said?.kind === "works" ? said.text : aboutOf(agent, said);
  return (
    <span class="row-cells">
      <span class={`clip${said === null ? " muted" : ` is-${said.kind}`}`}
        data-clock={said === null ? undefined : true}><bdi>{visible(about)}</bdi></span>
      <span class="num muted" data-clock>
        {said === null || !isHeard(facts) ? "" : words.ago(pulse(facts, shown.now_ms))}
      </span>
      <span class="num">{agent.tokens > 0 ? count(agent.tokens) : ""}</span>
      <span class="num" title={unknown === 0 ? undefined : words.unpriced(unknown)}>
        {cost > 0 ? money(cost) : ""}{unknown === 0 ? "" : words.unpricedShort}
      </span>
    </span>
  );
}

function AgentRow({ row, shown }: { row: Row & { kind: "agent" }; shown: Shown }) {
  const { agent, unplanned } = row, [shape, tone] = markOf(agent);
  const said = sentence(shown.facts(agent), shown.now_ms);
  return (
    <>
      <span class="row-name">
        <span class={`shape tone-${tone}`} role="img" aria-label={agent.cached ? words.bars.cached
          : agent.state}>{shape}</span>
        <span class="mono clip" dir="auto">{nameOf(agent)}</span>
        {unplanned ? <span class="unplanned" title={words.unplanned}>
          <span aria-hidden="true">+</span><span class="hidden">{words.unplanned}</span>
        </span> : null}
        <Meta agent={agent} shown={shown} said={said} />
      </span>
      {shown.gantt ? <Track agent={agent} shown={shown} said={said} />
        : <Cells agent={agent} shown={shown} said={said} />}
    </>
  );
}

function PhaseRow({ row }: { row: Row & { kind: "phase" } }) {
  const { title, sums, state, after, open } = row, { total, done, cached, waits, failed } = sums;
  const begun = done + waits + sums.running + sums.queued;
  return (
    <span class="row-name">
      <span class="fold" aria-hidden="true">{open ? "▾" : "▸"}</span>
      <State state={state} />
      <b class="clip" dir="auto">{title === "" ? words.noPhase : visible(title)}</b>
      <span class="row-meta">
        {failed > 0 ? <span class="tone-fail">✕ {failed} </span> : null}
        {waits > 0 ? <span class="tone-wait">◆ {waits} </span> : null}
        {cached > 0 ? <span class="tone-cached">▒ {cached} </span> : null}
        {begun === 0 && after !== null ? words.after(visible(after))
          : total === 0 ? "" : words.of(done, total)}
      </span>
    </span>
  );
}

function GhostRow({ row, shown }: { row: Row & { kind: "ghost" }; shown: Shown }) {
  const { ghost } = row, { agents, label, cached } = ghost;
  const span = ghostSpan(ghost, shown.waves, shown.window, shown.now_ms);
  return (
    <>
      <span class="row-name">
        <span class={cached ? "shape tone-cached" : "shape"} aria-hidden="true">
          {cached ? "▒" : ""}
        </span>
        <span class="mono clip muted" dir="auto">{nameOf({ label })}</span>
        <span class="row-meta">{agents === 1 ? words.planned : words.plannedMany(agents)}</span>
      </span>
      {!shown.gantt ? <span class="row-cells" /> : (
        <span class="track">
          {span === null ? null : (
            <i class={cached ? "bar-ghost bar-cached" : "bar-ghost"} data-bar="ghost"
              style={{ left: `${span.left}%`, width: `${span.width}%` }} />
          )}
        </span>
      )}
    </>
  );
}

interface RowProps {
  id: string; row: Row; shown: Shown; selected: boolean;
  onSelect(): void;
}

export function RowLine({ id, row, shown, selected, onSelect }: RowProps) {
  const isPhase = row.kind === "phase";
  const inside: ComponentChildren = isPhase ? <PhaseRow row={row} />
    : row.kind === "agent" ? <AgentRow row={row} shown={shown} />
      : <GhostRow row={row} shown={shown} />;
  return (
    <div id={id} role="treeitem" aria-level={isPhase ? 1 : 2} aria-selected={selected}
      aria-expanded={isPhase ? row.open : undefined} data-row={row.id}
      class={`run-row is-${row.kind}${selected ? " sel" : ""}`} onClick={onSelect}>
      {inside}
    </div>
  );
}
