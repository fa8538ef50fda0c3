/** One step of a run: its question, why it stands as it does, what it got and what it gave. */
import type { Ask } from "../api/types.ts";
import { AskCard } from "../ask/ask.tsx";
import { useAskKeys } from "../ask/keys.ts";
import { isYesNo } from "../ask/text.ts";
import { Markdown } from "../markdown/index.ts";
import { Bounded } from "../parts/bounded.tsx";
import { useSheet } from "../parts/sheet.ts";
import { clockTime, tookText } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { Why } from "../parts/why.tsx";
import { useNamed, useSeat } from "../router/router.ts";
import { Facts, type Fact } from "../run/facts.tsx";
import { useKeys } from "../shell/keys.ts";
import { isOpen } from "../state/asks.ts";
import { causeText, nameOf, stateText } from "./graph.tsx";
import {
  byIdOf, chosenOf, isChosen, markOf, rerunsOf, sourcesOf, tookOf, type Step,
} from "./rules.ts";
import { useStart } from "./start.ts";
import { words } from "./words.ts";

/** The API shows the beginning of a longer text. */
const SHOWN_MAX = 32 << 10;
const LINKS_MAX = 40;

interface StepProps {
  step: Step;
  steps: readonly Step[];
  /** Open questions of the step itself, and of all below it. */
  asks: readonly Ask[];
  /** The run, if steps of it may run again. */
  again: string | null;
  now_ms: number;
  select(id: string | null): void;
}

/** `a` and `d` answer the first one. */
function Questions({ asks }: { asks: readonly Ask[] }) {
  const open = asks.filter(isOpen);
  useAskKeys(open[0] ?? null);
  return (
    <>
      {asks.map((ask) => <section key={ask.id}><AskCard ask={ask} /></section>)}
    </>
  );
}

function Stands({ step, now_ms }: Pick<StepProps, "step" | "now_ms">) {
  const took = tookOf(step, now_ms), { began_ms = null, tries = 0, rounds = 0 } = step;
  const chosen = chosenOf(step);
  const list: Fact[] = [
    [words.kind, visible(step.kind)],
    [words.state, chosen === undefined ? null : visible(words.chose(chosen))],
    [words.ranIn, step.cached == null ? null : (
      <a class="mono" href={`/r/${step.cached}?${new URLSearchParams({ step: step.step_id })}`}>
        {step.cached}
      </a>
    )],
    [words.began, began_ms === null ? null : clockTime(began_ms)],
    [words.took, took === null ? null : tookText(took)],
    [words.tried, tries === 0 ? null : tries + 1],
    [words.roundsOf, rounds === 0 ? null : rounds],
    [words.rule, step.deps.length < 1 ? null
      : words.rules[step.trigger_rule] ?? visible(step.trigger_rule)],
    [words.inBatch, step.batch === null ? null : <bdi class="mono">{nameOf(step.batch)}</bdi>],
    [words.inBranch, step.branch === null ? null
      : <bdi>{visible(words.branchText(step.branch.switch, step.branch.label))}</bdi>],
  ];
  return <Facts list={list} />;
}

function Links({ title, ids, select, byId }: {
  title: string; ids: readonly string[]; select(id: string): void;
  byId: ReadonlyMap<string, Step>;
}) {
  if (ids.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      <ul class="flow-links">
        {ids.slice(0, LINKS_MAX).map((id) => {
          const step = byId.get(id), [shape, tone] = step === undefined ? ["○", "queued"]
            : markOf(step);
          const chosen = step === undefined ? null : isChosen(step, byId);
          return (
            <li key={id}>
              <span class={`shape tone-${tone}`} aria-hidden="true">{shape}</span>
              <button class="bare mono" onClick={() => select(id)}><bdi>{nameOf(id)}</bdi></button>
              {step === undefined ? null : (
                <span class="muted">{stateText(step, false)}
                  {chosen === null ? "" : `, ${chosen ? words.chosen : words.notChosen}`}</span>
              )}
            </li>
          );
        })}
        {ids.length > LINKS_MAX ? <li class="muted">…</li> : null}
      </ul>
    </section>
  );
}

/** What a person said, as the step's result has it. */
function Answer({ result }: { result: string }) {
  let said: { approved?: boolean; by?: string; at_ms?: number; reason?: string; fields?: unknown };
  try {
    said = JSON.parse(result) as typeof said;
  } catch {
    return <pre dir="auto"><Bounded text={result} /></pre>;
  }
  const tone = said.approved ? "ok" : "fail";
  return (
    <>
      <p>
        <span class={`tone-${tone}`}>
          <span aria-hidden="true">{said.approved ? "✓ " : "✕ "}</span>
          {said.approved ? words.approved : words.rejected}
        </span>{" "}
        <span class="muted">{words.by(visible(said.by ?? ""), clockTime(said.at_ms ?? 0))}</span>
      </p>
      {said.reason ? <p dir="auto">{visible(said.reason)}</p> : null}
      {said.fields == null ? null
        : <pre dir="auto"><Bounded text={JSON.stringify(said.fields, null, 2)} /></pre>}
    </>
  );
}

function Text({ title, text, plain }: { title: string; text: string; plain: boolean }) {
  if (text === "") return null;
  const isCut = new TextEncoder().encode(text).length >= SHOWN_MAX - 4;
  return (
    <section>
      <h3>{title}</h3>
      {plain ? <pre class="flow-text" dir="auto" tabIndex={0}><Bounded text={text} /></pre>
        : <div class="flow-text" tabIndex={0}><Markdown text={text} done /></div>}
      {isCut ? <p class="muted">{words.cut}</p> : null}
    </section>
  );
}

/** A new run, in which this step runs again. */
function Reruns({ step, again, isLast }: { step: Step; again: string; isLast: boolean }) {
  const { problem, start } = useStart();
  return (
    <>
      <div class="buttons">
        {rerunsOf(step, isLast).map((how) => (
          <button key={how} onClick={() =>
            void start("/flows", { resumeFromRunId: again, [how]: [step.step_id] })}>
            {words.reruns[how]}
          </button>
        ))}
      </div>
      <Trouble problem={problem} />
    </>
  );
}

/** Where what it began is shown. */
function Places({ step: { kind, run, session, approval } }: Pick<StepProps, "step">) {
  return (
    <div class="buttons">
      {session == null || session === "" ? null
        : <a class="button" href={`/s/${session}`}>{words.toSession}</a>}
      {run == null || run === "" || kind === "agent" ? null : (
        <a class="button" href={kind === "command" ? `/j/${run}` : `/r/${run}`}>
          {kind === "command" ? words.toJob : words.toRun}
        </a>
      )}
      {approval == null || approval === "" ? null
        : <a class="button" href={`/inbox/${approval}`}>{words.toQuestion}</a>}
    </div>
  );
}

/** Only text of people and models is Markdown. */
const isProse = ({ kind }: Step): boolean => kind === "agent" || kind === "flow";

export function StepDetails(props: StepProps) {
  const { step, steps, asks, again, now_ms, select } = props;
  const seat = useSeat(), named = useNamed(), byId = byIdOf(steps);
  const button = useSheet(() => { // Another step may have come in its place.
    const id = CSS.escape(seat.query.peek().get("step") ?? step.step_id);
    seat.box?.querySelector<HTMLElement>(`[data-step="${id}"]`)?.focus();
  });
  const close = (): void => select(null);
  useKeys([{ name: "leave", run: close }]);
  const at = steps.indexOf(step), sources = sourcesOf(steps);
  const idOf = (place: number): string => steps[place]?.step_id ?? "";
  const targets = sources.flatMap((list, to) => (list.includes(at) ? [idOf(to)] : []));
  const isAsked = asks.some((ask) => isOpen(ask));
  const [shape, tone] = markOf(step, isAsked), cause = causeText(step);
  const failed = step.kind === "command" && step.status === "failed" ? step.run || null : null;
  const isPerson = step.kind === "approval", isDone = step.status === "completed";
  const shown = asks.find(({ id }) => id === step.approval);
  const promptTitle = isPerson ? words.asked : step.kind === "command" ? words.command
    : step.kind === "agent" ? words.prompt : words.given;
  return (
    <aside class="inspector flow-inspector" aria-label={named(words.step(nameOf(step.step_id)))}>
      <div class="inspector-title">
        <span class={`shape tone-${tone}`} aria-hidden="true">{shape}</span>
        <h2 class="mono clip" dir="auto">{nameOf(step.step_id)}</h2>
        <button class="quiet end" aria-label={words.close} ref={button} onClick={close}>✕</button>
      </div>
      <p class={`tone-${tone}`}>{stateText(step, isAsked)}
        {cause === "" ? null : <span class="muted">: {cause}</span>}</p>
      {again === null ? null
        : <Reruns step={step} again={again} isLast={targets.length === 0} />}
      <Questions asks={asks} />
      {(step.note ?? "") === "" && failed === null ? null : (
        <section>
          <h3>{words.why}</h3>
          {(step.note ?? "") === "" ? null
            : <p dir="auto"><bdi>{visible(step.note ?? "")}</bdi></p>}
          {failed === null ? null : <Why run={failed} />}
        </section>
      )}
      <section><h3>{words.now}</h3><Stands step={step} now_ms={now_ms} /></section>
      {shown !== undefined ? null : <Text title={promptTitle} text={step.prompt ?? ""} plain />}
      {shown !== undefined && isYesNo(shown) ? null : isPerson && (step.result ?? "") !== "" ? (
        <section><h3>{words.answer}</h3><Answer result={step.result ?? ""} /></section>
      ) : <Text title={words.result} text={step.result ?? ""} plain={!isProse(step) || !isDone} />}
      <Links title={words.needs} ids={(sources[at] ?? []).map(idOf)} select={select} byId={byId} />
      <Links title={words.leads} ids={targets} select={select} byId={byId} />
      <Places step={step} />
    </aside>
  );
}
