/** A column: its tasks, of which only those near the view are drawn. A task that is dragged is let
 *  go of in it; the daemon says whether it may stand there. */
import type { RefObject } from "preact";
import { useId, useRef, useState } from "preact/hooks";

import type { Task } from "../api/types.ts";
import { Rows, type RowsHandle } from "../parts/rows.tsx";
import { useStill } from "../parts/still.ts";
import { useNamed } from "../router/router.ts";
import { Card, CARD_LOW_PX, CARD_PX } from "./card.tsx";
import type { BoardFollow } from "./follow.ts";
import type { Column } from "./rules.ts";
import { words } from "./words.ts";

export interface ColumnProps {
  name: Column;
  tasks: readonly Task[];
  follow: BoardFollow;
  known: ReadonlyMap<string, Task>;
  /** One column alone: more fits into a line of a card. */
  narrow: boolean;
  /** Id of the task that keys are about. */
  cursor: string | null;
  picked: ReadonlySet<string>;
  /** Tasks that are dragged, and whether they may go here; null: none are. */
  dragged: "may" | "refused" | null;
  draggable: boolean;
  handle: RefObject<RowsHandle>;
  onCard(task: Task, event: MouseEvent): void;
  onPick(task: Task): void;
  onDrag(task: Task | null): void;
  onDrop(): void;
  onFocus(name: Column): void;
  /** Default: it cannot be folded. */
  onFold?: (() => void) | undefined;
}

const NEAR = 1; // Cards beyond the view, on either side.

export function ColumnView(props: ColumnProps) {
  const { name, tasks, follow, known, cursor, picked, dragged, draggable, handle } = props;
  const height = props.narrow ? CARD_LOW_PX : CARD_PX;
  const id = useId(), named = useNamed(), [over, overSet] = useState(false), inside = useRef(0);
  const keys = tasks.map((task) => task.id), at = cursor === null ? -1 : keys.indexOf(cursor);
  const still = useStill({ keys, news: known, height });
  const label = words.columns[name];
  const leave = (): void => {
    inside.current = 0;
    overSet(false);
  };
  const state = dragged === null ? "" : ` ${dragged}${over ? " over" : ""}`;
  return (
    <section class={`board-col${state}`} data-col={name} aria-label={named(label)}
      onDragEnter={() => {
        inside.current++;
        overSet(dragged !== null);
      }}
      onDragLeave={() => --inside.current <= 0 && leave()}
      onDragOver={(event) => dragged !== null && event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        leave();
        props.onDrop();
      }}>
      <div class="board-col-head">
        <h2>{label}</h2><span class="count">{tasks.length.toLocaleString("en")}</span>
        {props.onFold === undefined ? null : (
          <button class="quiet end" aria-expanded aria-label={words.foldOf(label)}
            onClick={props.onFold}>›</button>
        )}
      </div>
      {tasks.length === 0 ? <p class="none small">{words.none[name]}</p> : (
        <div class="board-list" ref={still.box} onPointerOver={still.over}
          onPointerLeave={still.leave} onFocusIn={() => props.onFocus(name)}>
          <Rows role="listbox" several label={named(words.columnAbout(label, tasks.length))}
            class="board-rows" count={tasks.length} height={height} beyond={NEAR} handle={handle}
            active={at < 0 ? undefined : `${id}-${cursor}`}
            draw={(row) => {
              const task = tasks[row];
              return task === undefined ? null : (
                <Card key={task.id} task={task} follow={follow} known={known}
                  domId={`${id}-${task.id}`} at={row} count={tasks.length} draggable={draggable}
                  cursor={task.id === cursor} picked={picked.has(task.id)}
                  onClick={(event) => props.onCard(task, event)} onPick={() => props.onPick(task)}
                  onDragStart={(event) => {
                    event.dataTransfer?.setData("text/plain", task.name);
                    if (event.dataTransfer !== null) event.dataTransfer.effectAllowed = "move";
                    props.onDrag(task);
                  }} onDragEnd={() => props.onDrag(null)} />
              );
            }} />
        </div>
      )}
    </section>
  );
}

/** A column that is folded: what is in it, and a place to let go of a task. */
export function Folded({ name, tasks, dragged, onOpen, onDrop }: {
  name: Column; tasks: readonly Task[]; dragged: ColumnProps["dragged"];
  onOpen(): void; onDrop(): void;
}) {
  const failed = tasks.filter((task) => task.status === "failed").length;
  return (
    <button class={`board-folded${dragged === null ? "" : ` ${dragged}`}`} data-col={name}
      aria-expanded={false} onClick={onOpen}
      onDragOver={(event) => dragged !== null && event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        onDrop();
      }}>
      <span class="board-folded-text">
        {words.columns[name]} <b class="count">{tasks.length.toLocaleString("en")}</b>
        {failed === 0 ? null : <span class="tone-fail"> ✕ {failed}</span>}
      </span>
    </button>
  );
}
