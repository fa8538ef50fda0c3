/** The graph of a flow: each step a button, and behind them one line for each dependency. In a
 *  narrow place the same buttons are a list, which says in words what each comes after. */
import type { VNode } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";

import { tookText } from "../parts/text.ts";
import { beginning, visible } from "../parts/visible.ts";
import { useNamed } from "../router/router.ts";
import { useKeys } from "../shell/keys.ts";
import {
  byIdOf, chosenOf, isChosen, isFailed, isOut, isSettled, layoutOf, markOf, NODE,
  stepFrom, tookOf, toneOf, type Layout, type Placed, type Step, type Tone,
} from "./rules.ts";
import { words } from "./words.ts";

const ID_MAX = 100, AFTER_MAX = 5, BATCH_TEXT = { x: 8, y: 14, max: 28 };
const TONES: readonly Tone[] = ["out", "open", "done", "chosen"];
const ARROWS: Record<string, "up" | "down" | "left" | "right"> =
  { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right" };

export const nameOf = (id: string): string => visible(beginning(id, ID_MAX));

/** One word for the state, and one for why it is so. */
export function stateText(step: Step, asks: boolean): string {
  if (asks) return words.asks;
  if (step.cached) return words.cached;
  const phase = isSettled(step) ? undefined : words.phases[step.phase ?? ""];
  return phase ?? words.statuses[step.status] ?? visible(step.status);
}
/** That another branch was chosen is said where the branch is. */
export const causeText = ({ cause, branch }: Step): string =>
  (cause == null || cause === "" || (cause === "not_chosen" && branch !== null) ? ""
    : words.causes[cause] ?? visible(cause));

function factsOf(step: Step, now_ms: number): string[] {
  const { tries = 0, rounds = 0 } = step, took = tookOf(step, now_ms), chosen = chosenOf(step);
  return [chosen === undefined ? "" : visible(words.chose(chosen)),
    took === null ? "" : tookText(took), tries > 0 ? words.tries(tries) : "",
    rounds > 0 ? words.rounds(rounds) : ""].filter((text) => text !== "");
}

interface GraphProps {
  steps: readonly Step[];
  now_ms: number;
  /** Steps that ask somebody, or below which somebody is asked. */
  asking: ReadonlySet<string>;
  selected: string | null;
  select(id: string): void;
}

function Lines({ layout, steps, selected }: {
  layout: Layout; steps: readonly Step[]; selected: string | null;
}) {
  const byId = byIdOf(steps), paths: Record<Tone | "selected", string> =
    { out: "", open: "", done: "", chosen: "", selected: "" };
  for (const { from, to, path } of layout.edges) {
    const [source, target] = [steps[from], steps[to]];
    if (source === undefined || target === undefined) continue;
    paths[toneOf(source, target, byId)] += path;
    if (source.step_id === selected || target.step_id === selected) paths.selected += path;
  }
  return (
    <svg class="flow-lines" width={layout.width} height={layout.height} aria-hidden="true">
      {layout.groups.map(({ batch, ...box }, at) => (
        <g key={`${batch} ${at}`} class="flow-batch">
          <rect rx="6" {...box} />
          <text x={box.x + BATCH_TEXT.x} y={box.y + BATCH_TEXT.y}>
            {visible(beginning(words.batch(batch), BATCH_TEXT.max))}
          </text>
        </g>
      ))}
      {TONES.map((tone) => (paths[tone] === "" ? null
        : <path key={tone} class={`flow-line is-${tone}`} d={paths[tone]} />))}
      {paths.selected === "" ? null : <path class="flow-line is-selected" d={paths.selected} />}
    </svg>
  );
}

/** What it comes after, for a list that draws no lines. */
function afterText({ deps, branch }: Step): string {
  const names = [...new Set([...deps, ...(branch === null ? [] : [branch.switch])])];
  const shown = names.slice(0, AFTER_MAX).map((name) => nameOf(name.replace(/^batch:/, "batch ")));
  if (names.length > AFTER_MAX) shown.push("…");
  return names.length === 0 ? "" : words.after(shown.join(", "));
}

function Node({ step, place, chosen, asks, now_ms, selected, select }: {
  step: Step; place: Placed; chosen: boolean | null; asks: boolean; now_ms: number;
  selected: boolean; select(id: string): void;
}) {
  const [shape, tone] = markOf(step, asks), cause = causeText(step);
  const facts = factsOf(step, now_ms), kind = visible(step.kind);
  const classes = ["flow-step", isOut(step) ? "is-out" : "", isFailed(step) ? "is-failed" : "",
    tone === "wait" ? "is-wait" : "", selected ? "sel" : ""].filter((one) => one !== "");
  return (
    <li class="flow-place" style={{ left: `${place.x}px`, top: `${place.y}px` }}>
      <button class={classes.join(" ")} data-step={step.step_id} aria-pressed={selected}
        onClick={() => select(step.step_id)}>
        <span class="flow-step-name">
          <span class={`shape tone-${tone}`} aria-hidden="true">{shape}</span>
          <bdi class="mono clip">{nameOf(step.step_id)}</bdi>
          <span class="muted end">{kind}</span>
        </span>
        <span class="flow-step-state clip">
          <span class={`tone-${tone}`}>{stateText(step, asks)}</span>
          {cause === "" ? null : <span class="muted">: {cause}</span>}
          {facts.length === 0 ? null
            : <span class="muted" data-clock> · <bdi>{facts.join(" · ")}</bdi></span>}
        </span>
        <span class="flow-step-more muted clip">
          {step.branch === null ? null : (
            <span class={chosen === true ? "flow-chosen" : ""}>
              <span aria-hidden="true">↳ </span>
              <bdi>{visible(words.branchOf(step.branch.label))}</bdi>
              {chosen === null ? "" : ` ${chosen ? words.chosen : words.notChosen}`}
            </span>
          )}
          {step.batch === null ? null
            : <bdi class="flow-in-batch">{visible(words.batch(step.batch))}</bdi>}
          {afterText(step) === "" ? null : <bdi class="flow-after">{afterText(step)}</bdi>}
        </span>
      </button>
    </li>
  );
}

/** What of a step is drawn, as text; the time counts while it runs. */
const seenOf = (step: Step, place: Placed, asks: boolean, selected: boolean,
  chosen: boolean | null, now_ms: number): string =>
  JSON.stringify([step.status, step.phase, step.cause, step.tries, step.rounds, step.began_ms,
    step.changed_ms, step.cached, chosenOf(step), chosen, asks, selected, place.x, place.y,
    isSettled(step) || step.began_ms == null ? 0 : now_ms]);

/** Of 500 steps few change at a time: the others are drawn again as they are. */
function useNodes() {
  const drawn = useRef(new Map<string, { seen: string; node: VNode }>());
  return (id: string, seen: string, draw: () => VNode): VNode => {
    const before = drawn.current.get(id);
    if (before?.seen === seen) return before.node;
    const node = draw();
    drawn.current.set(id, { seen, node });
    return node;
  };
}

export function Graph({ steps, now_ms, asking, selected, select }: GraphProps) {
  const named = useNamed(), list = useRef<HTMLOListElement>(null), nodeOf = useNodes();
  const latest = useRef(select);
  latest.current = select;
  /** Only what the file says moves anything: not how the steps stand. */
  const shape = JSON.stringify(steps.map(({ step_id, deps, batch, branch }) =>
    [step_id, deps, batch, branch?.switch]));
  const layout = useMemo(() => layoutOf(steps), [shape]), byId = byIdOf(steps);
  const ids = layout.nodes.map(({ at }) => steps[at]?.step_id);
  const isAsking = (one: Step): boolean => asking.has(one.step_id);
  const buttons = () => [...list.current?.querySelectorAll<HTMLElement>(".flow-step") ?? []];
  const here = (): number => buttons().findIndex((one) => one === document.activeElement);
  const to = (at: number): void => {
    const button = buttons()[at];
    button?.focus();
    button?.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  useEffect(() => { // At first: what is chosen, else what waits, failed or runs.
    const first = [(one: Step) => one.step_id === selected, isAsking, isFailed,
      ({ status }: Step) => status === "running"].map((is) =>
      ids.findIndex((id) => is(byId.get(id ?? "") as Step))).find((at) => at >= 0);
    buttons()[first ?? -1]?.scrollIntoView({ block: "nearest", inline: "center" });
  }, []);
  useEffect(() => {
    buttons()[ids.indexOf(selected ?? undefined)]
      ?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [selected]);
  const step = (by: 1 | -1): void => {
    const now = here(), known = now < 0 ? ids.indexOf(selected ?? undefined) : now;
    to(Math.min(ids.length - 1, Math.max(0, known < 0 ? 0 : known + by)));
  };
  const nextOf = (is: (step: Step) => boolean): void => {
    const from = Math.max(here(), ids.indexOf(selected ?? undefined));
    const found = [...ids.keys()].map((at) => (from + 1 + at) % ids.length)
      .find((at) => is(byId.get(ids[at] ?? "") as Step));
    const id = ids[found ?? -1];
    if (id === undefined) return;
    to(found ?? 0);
    select(id);
  };
  useKeys([
    { name: "next", run: () => step(1) },
    { name: "previous", run: () => step(-1) },
    { name: "waiting", run: () => nextOf(isAsking) },
    { name: "nextHit", run: () => nextOf(isFailed) },
  ]);
  const pressed = (event: KeyboardEvent): void => {
    const arrow = ARROWS[event.key], now = here();
    if (arrow === undefined || now < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    to(stepFrom(layout, now, arrow));
  };
  if (steps.length === 0) return <p class="run-none muted">{words.noSteps}</p>;
  return (
    <div class="flow-graph" tabIndex={-1}>
      {layout.cut ? <p class="muted">{words.edgesCut}</p> : null}
      <div class="flow-plane">
        <Lines layout={layout} steps={steps} selected={selected} />
        <ol ref={list} aria-label={named(words.graph)} onKeyDown={pressed}
          style={{ "--node": `${NODE.width}px`, "--node-high": `${NODE.height}px` }}>
          {layout.nodes.map((place) => {
            const one = steps[place.at];
            if (one === undefined) return null;
            const asks = asking.has(one.step_id), isSelected = one.step_id === selected;
            const chosen = isChosen(one, byId);
            return nodeOf(one.step_id, seenOf(one, place, asks, isSelected, chosen, now_ms), () => (
              <Node key={one.step_id} step={one} place={place} chosen={chosen} now_ms={now_ms}
                asks={asks} selected={isSelected} select={(id) => latest.current(id)} />
            ));
          })}
        </ol>
      </div>
    </div>
  );
}
