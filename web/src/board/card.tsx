/** A task on its board: number, priority, age; its title; who has it, and what it waits for. */
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

import type { Task } from "../api/types.ts";
import { ageText, barsOf, sentenceOf, unmetOf } from "./rules.ts";
import { clockTime, elapsed, timeTo } from "../parts/text.ts";
import { visible } from "../parts/visible.ts";
import { now } from "../state/clock.ts";
import type { BoardFollow } from "./follow.ts";
import { words } from "./words.ts";

/** Two lines of a title and two below it; on a phone one. As in the style. */
export const CARD_PX = 106, CARD_LOW_PX = 88;

export function Bars({ priority }: { priority: number }) {
  const on = barsOf(priority);
  return (
    <span class="board-bars" title={words.priority(priority)}>
      {[1, 2, 3].map((bar) => <i key={bar} class={bar <= on ? "on" : ""} aria-hidden="true" />)}
      <span class="hidden">{words.priority(priority)}</span>
    </span>
  );
}

const Given = ({ text }: { text: string }) => <bdi>{visible(text)}</bdi>;

function Pending({ task, follow, known }: CardProps) {
  const { id, not_before_ms, assignee, capability, rejections } = task;
  useEffect(() => follow.want(id), [id, follow]);
  const said = follow.waits.value.get(id), unmet = unmetOf(task, known);
  const back = rejections > 0 ? ` · ${words.sentBack(rejections)}` : "";
  if (not_before_ms > now.value) {
    return <>{words.notBefore(timeTo(not_before_ms, now.value))}{back}</>;
  }
  if (said != null) {
    return <><span class="tone-wait"><Given text={sentenceOf(said)} /></span>{back}</>;
  }
  if (said === undefined && unmet.length > 0) {
    return <><span class="tone-wait">{words.unmet(unmet)}</span>{back}</>;
  }
  const who = assignee !== null ? words.forAgent(assignee)
    : capability !== null ? words.needs(capability) : words.anyAgent;
  return <><Given text={who} />{back}</>;
}

/** What stands below the title, by the status. */
function About(props: CardProps): ComponentChildren {
  const { task } = props, { agent, attempt_count: tries, changed_ms, status } = task;
  const who = agent === null ? null : <Given text={agent} />;
  switch (status) {
    case "pending": return <Pending {...props} />;
    case "claimed": case "working": return (
      <>
        <span class="tone-run"><span aria-hidden="true">◔</span> {who}</span>
        {status === "claimed" ? ` · ${words.statuses.claimed}` : null}
        {" · "}{words.attemptOf(tries)} · <span data-clock>{elapsed(now.value - changed_ms)}</span>
      </>
    );
    case "review": return (
      <>
        {who === null ? null : <>{words.by("")}{who} · </>}
        {words.attempts(tries)}
        {" · "}<span class="tone-wait">{words.sinceTime(clockTime(changed_ms))}</span>
      </>
    );
    case "blocked": return (
      <>
        <span class="tone-wait"><span aria-hidden="true">◆</span> {words.statuses.blocked}</span>
        {task.question === null ? null : <>: <Given text={task.question} /></>}
      </>
    );
    case "failed": return (
      <>
        <span class="tone-fail"><span aria-hidden="true">✕</span> {words.statuses.failed}</span>
        {" · "}{words.attempts(tries)}
        {(task.detail ?? task.because) === null ? null
          : <> · <Given text={task.detail ?? task.because ?? ""} /></>}
      </>
    );
    case "cancelled": return (
      <span class="tone-stopped"><span aria-hidden="true">⊘</span> {words.statuses.cancelled}</span>
    );
    default: return (
      <>
        <span class="tone-ok"><span aria-hidden="true">✓</span> {who ?? words.statuses.done}</span>
        {tries === 0 ? null : <> · {words.attempts(tries)}</>}
      </>
    );
  }
}

interface CardProps { task: Task; follow: BoardFollow; known: ReadonlyMap<string, Task> }

interface WholeProps extends CardProps {
  domId: string;
  at: number;
  count: number;
  cursor: boolean;
  picked: boolean;
  draggable: boolean;
  onClick(event: MouseEvent): void;
  onPick(): void;
  onDragStart(event: DragEvent): void;
  onDragEnd(): void;
}

export function Card(props: WholeProps) {
  const { task, domId, at, count, cursor, picked, draggable } = props;
  return (
    <div id={domId} class={`board-card${cursor ? " sel" : ""}${picked ? " chosen" : ""}`}
      role="option" aria-selected={picked} aria-posinset={at + 1} aria-setsize={count}
      data-row={task.id} draggable={draggable} onClick={props.onClick}
      onDragStart={props.onDragStart} onDragEnd={props.onDragEnd}>
      <span class="board-card-top">
        <span class="mono">{task.name}</span>
        <Bars priority={task.priority} />
        <span class="muted end" data-clock>{ageText(now.value - task.made_ms)}</span>
        {draggable ? (
          <span class="board-pick" aria-hidden="true" onClick={(event) => {
            event.stopPropagation();
            props.onPick();
          }}>{picked ? "☑" : "☐"}</span>
        ) : null}
      </span>
      <span class="board-title" dir="auto">{visible(task.title)}</span>
      <span class="board-about">
        <About task={task} follow={props.follow} known={props.known} />
      </span>
    </div>
  );
}
