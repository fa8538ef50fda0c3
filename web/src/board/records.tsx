/** What is written down about a task: what must be true, attempts, outputs, reviews, events. */
import { createContext, type ComponentChildren } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";

import { get, type Problem } from "../api/api.ts";
import { Markdown } from "../markdown/index.ts";
import { Bounded } from "../parts/bounded.tsx";
import { Copy } from "../parts/copy.tsx";
import { Reading, Unread, useUnfolded } from "../parts/reading.tsx";
import { ago, elapsed, when } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { now } from "../state/clock.ts";
import { mustHaveText } from "./fields.ts";
import {
  isMet, judgedOf, judgedText, pathOf, type Attempt, type Happened, type Output,
  type Review, type WholeTask,
} from "./rules.ts";
import { words } from "./words.ts";

/** The level of the headings below that of the task. */
export const Level = createContext<"h2" | "h3">("h3");

export function Heading({ children, tone }: { children: ComponentChildren; tone?: string }) {
  const Name = useContext(Level);
  return <Name class={`task-heading${tone === undefined ? "" : ` ${tone}`}`}>{children}</Name>;
}

export function Part({ title, count, children }: {
  title: string; count?: number; children: ComponentChildren;
}) {
  return (
    <section class="task-part">
      <Heading>
        {title}{count === undefined ? null : <span class="count"> {count}</span>}
      </Heading>
      {children}
    </section>
  );
}

export function MustHaves({ task }: { task: WholeTask }) {
  if (task.must_haves.length === 0) return null;
  return (
    <Part title={words.mustHave}>
      <ul class="task-list">
        {task.must_haves.map((one, at) => {
          const met = isMet(one, task.outputs);
          const [shape, tone, said] = met === null ? ["○", "queued", words.unknownMet]
            : met ? ["✓", "ok", words.met] : ["○", "wait", words.unmetWord];
          return (
            <li key={at}>
              <span class={`shape tone-${tone}`} title={said} aria-hidden="true">{shape}</span>
              <span class="wrap" dir="auto">{visible(mustHaveText(one))}
                <span class="hidden"> ({said})</span></span>
            </li>
          );
        })}
      </ul>
    </Part>
  );
}

function attemptState({ ended_ms, outcome }: Attempt): [shape: string, tone: string] {
  if (ended_ms === null) return ["◔", "run"];
  if (outcome === "completed" || outcome === "review" || outcome === "done") return ["✓", "ok"];
  if (outcome === "blocked") return ["◆", "wait"];
  return outcome === "cancelled" ? ["⊘", "stopped"] : ["✕", "fail"];
}

function AttemptRow({ attempt }: { attempt: Attempt }) {
  const { agent, attempt_number, session, run, outcome, note, made_ms, ended_ms } = attempt;
  const [shape, tone] = attemptState(attempt);
  const doing = attempt.checking_ms === null ? words.atWork : words.atCheck;
  return (
    <li>
      <span class={`shape tone-${tone}`} aria-hidden="true">{shape}</span>
      <span class="wrap">
        <b>{attempt_number}</b> <bdi>{visible(agent)}</bdi>
        <span class="muted"> · {ended_ms === null ? doing : visible(outcome ?? "")} ·{" "}
          <span data-clock>{elapsed((ended_ms ?? now.value) - made_ms)}</span></span>
        {session === null ? null : <>{" · "}<a href={`/s/${session}`}>{words.session}</a></>}
        {run === null ? null : <>{" · "}<a href={`/r/${run}/trace`}>{words.run}</a></>}
        {note === null ? null : <span class="muted task-note" dir="auto">{visible(note)}</span>}
      </span>
    </li>
  );
}

export const Attempts = ({ task }: { task: WholeTask }) => (
  <Part title={words.attemptsTitle} count={task.attempt_count}>
    {task.attempts.length === 0 ? <p class="muted">{words.noAttempts}</p> : (
      <ul class="task-list">
        {task.attempts.map((one) => <AttemptRow key={one.id} attempt={one} />)}
      </ul>
    )}
  </Part>
);

/** Its content is read when somebody wants to see it, whole; what is judged stands open. */
function OutputRow({ task, output, judged }: {
  task: WholeTask; output: Output; judged: boolean;
}) {
  const [text, textSet] = useState<string | null>(null);
  const [problem, problemSet] = useState<Problem | null>(null);
  const show = async (): Promise<void> => {
    if (text !== null) return textSet(null);
    if (output.content !== undefined && !output.cut) return textSet(output.content);
    const answer = await get<Output>(`${pathOf(task)}/outputs/${output.id}`);
    problemSet(answer.ok ? null : answer.problem);
    if (answer.ok) textSet(answer.value.content ?? "");
  };
  const isAll = useUnfolded();
  useEffect(() => void (judged && text === null && show()), [judged, isAll]);
  const { type, title, agent, summary, bytes, made_ms } = output;
  return (
    <li class="task-output">
      <p>
        <span class="mono wrap" dir="auto">{visible(title)}</span>
        <span class="muted"> {visible(type)} · <bdi>{visible(agent)}</bdi> ·{" "}
          {ago(now.value - made_ms)}</span>
      </p>
      {summary === "" ? null : <p class="wrap" dir="auto">{visible(summary)}</p>}
      <p class="acts">
        {judged && text === null ? <Unread /> : null}
        <button class="quiet" aria-expanded={text !== null} onClick={() => void show()}>
          {text === null ? words.showContent(words.size(bytes)) : words.hideContent}
        </button>
        {text === null ? null : <Copy text={text} />}
      </p>
      <Trouble problem={problem} />
      {text === null ? null : (
        <div class="task-content">
          {type === "document" ? <Markdown text={text} done />
            : <pre dir="auto"><Bounded text={text} /></pre>}
        </div>
      )}
    </li>
  );
}

function OutputRows({ task, rows, judged = false }: {
  task: WholeTask; rows: readonly Output[]; judged?: boolean;
}) {
  return rows.length === 0 ? <p class="muted">{words.noOutputs}</p> : (
    <ul class="task-list">
      {rows.map((one) => <OutputRow key={one.id} task={task} output={one} judged={judged} />)}
    </ul>
  );
}

/** The result, or the plan, that waits for a yes: before anything else. */
export const Judged = ({ task }: { task: WholeTask }) => (
  <Part title={task.status === "review" ? words.result : words.plan}>
    <Reading of={judgedText(task)}><OutputRows task={task} rows={judgedOf(task)} judged /></Reading>
  </Part>
);

export function Outputs({ task }: { task: WholeTask }) {
  const judged = judgedOf(task), rows = task.outputs.filter((one) => !judged.includes(one));
  return judged.length > 0 && rows.length === 0 ? null : (
    <Part title={words.outputs} count={rows.length}><OutputRows task={task} rows={rows} /></Part>
  );
}

function ReviewRow({ review }: { review: Review }) {
  const { reviewer, accept, reasons, made_ms } = review;
  return (
    <li>
      <span class={`shape tone-${accept ? "ok" : "degraded"}`} aria-hidden="true">
        {accept ? "✓" : "↩"}
      </span>
      <span class="wrap">
        <bdi>{visible(reviewer)}</bdi>{" "}
        <span class="muted">{accept ? words.accepted : words.rejected} ·{" "}
          {ago(now.value - made_ms)}</span>
        {reasons.map((reason, at) => <p key={at} dir="auto">{visible(reason)}</p>)}
      </span>
    </li>
  );
}

export const Reviews = ({ task }: { task: WholeTask }) => (task.reviews.length === 0 ? null : (
  <Part title={words.reviews}>
    <ul class="task-list">
      {task.reviews.map((one) => <ReviewRow key={one.id} review={one} />)}
    </ul>
  </Part>
));

const SAID_MAX = 400;

/** What an event says, in a line: numbers and texts of its detail. */
function detailText({ from, attempt: _, ...rest }: Record<string, unknown>): string {
  const said = Object.entries(rest).map(([name, value]) =>
    `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`);
  return [...(typeof from === "string" ? [words.eventFrom(from)] : []), ...said].join(" · ")
    .slice(0, SAID_MAX);
}

const EventRow = ({ event }: { event: Happened }) => (
  <li>
    <span class="muted num">{when(event.made_ms, now.value)}</span>
    <span class="wrap">
      <span class="mono">{visible(event.type)}</span>
      {event.agent === null ? null : <> <bdi>{visible(event.agent)}</bdi></>}{" "}
      <span class="muted" dir="auto">{visible(detailText(event.detail))}</span>
    </span>
  </li>
);

export const Events = ({ task }: { task: WholeTask }) => (
  <details class="task-part task-events">
    <summary>
      <Heading>{words.events}<span class="count"> {task.events.length}</span></Heading>
    </summary>
    <ul class="task-list">
      {task.events.map((one, at) => <EventRow key={task.events.length - at} event={one} />)}
    </ul>
  </details>
);
