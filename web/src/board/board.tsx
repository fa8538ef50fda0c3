/** The board of a project: its tasks in columns by their status. The address has the task that is
 *  open, the filter, and the column that a phone shows. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import type { Problem } from "../api/api.ts";
import type { Task } from "../api/types.ts";
import { Loading } from "../parts/loading.tsx";
import type { RowsHandle } from "../parts/rows.tsx";
import { Search } from "../parts/search.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { openBeside, useNamed, useSeat } from "../router/router.ts";
import type { Params } from "../router/routes.ts";
import { Hint } from "../shell/kbd.tsx";
import { useKeys } from "../shell/keys.ts";
import { may } from "../state/me.ts";
import { isUnread, moveAll, type Outcome } from "./actions.ts";
import { ColumnView, Folded, type ColumnProps } from "./column.tsx";
import { useBoard, useProject } from "./follow.ts";
import { TaskForm } from "./form.tsx";
import { MoveForm } from "./move.tsx";
import {
  asksFirst, columnOf, COLUMNS, columnsOf, filterOf, FOLDED, isColumn, isHeld, mayDrop, neighbour,
  statusIn, type BoardFilter, type Column,
} from "./rules.ts";
import { TaskAside } from "./task.tsx";
import { words } from "./words.ts";

const NARROW_PX = 700; // As the container queries say.
const SCROLL_PX = 60; // Of a task, by an arrow.

function Head({ project, filter, count, busy, add }: {
  project: string; filter: BoardFilter; count: number; busy: number; add(): void;
}) {
  const { setQuery } = useSeat(), { project: row, hold } = useProject(project);
  const [problem, problemSet] = useState<Problem | null>(null), isHold = row?.board?.hold === true;
  return (
    <>
      <div class="board-head">
        <h1 dir="auto">{visible(project)}</h1>
        <span class="muted">{words.sums(count, busy)}</span>
        <div class="board-tools">
          <Search q={filter.q} label={words.filter} about={words.filterAbout} />
          <button class="quiet" aria-pressed={filter.archived}
            onClick={() => setQuery("archived", filter.archived ? null : "1")}>
            {words.archived}
          </button>
          <a class="button quiet" href="/board">{words.boards}</a>
          {may("run") && row !== null ? (
            <button class="quiet" onClick={() => void hold(!isHold).then(problemSet)}>
              {isHold ? words.resume : words.pause}
            </button>
          ) : null}
          {may("run") ? (
            <button class="main" onClick={add}>{words.add}<Hint of="newTask" /></button>
          ) : null}
        </div>
      </div>
      {isHold ? <p class="board-note tone-wait">{words.paused}</p> : null}
      {may("approve") ? null : <p class="board-note muted">{words.readOnly}</p>}
      <Trouble problem={problem} />
    </>
  );
}

function Tabs({ columns, shown, choose }: {
  columns: Record<Column, Task[]>; shown: Column; choose(name: Column): void;
}) {
  const named = useNamed();
  return (
    <nav class="board-tabs" aria-label={named(words.columnsName)}>
      {COLUMNS.map((name) => (
        <button key={name} class="tab" aria-current={name === shown ? "true" : undefined}
          onClick={() => choose(name)}>
          {words.columns[name]} <span class="count">{columns[name].length}</span>
        </button>
      ))}
    </nav>
  );
}

function Empty({ filter, add }: { filter: BoardFilter; add(): void }) {
  const { setQuery } = useSeat(), isFiltered = filter.q !== "" || filter.archived;
  const clear = (): void => {
    setQuery("q", null);
    setQuery("archived", null);
  };
  return (
    <div class="empty board-note">
      <p>{isFiltered ? words.nothingFits : words.empty}</p>
      {isFiltered ? <p><button onClick={clear}>{words.clear}</button></p> : (
        <>
          <p class="muted">{words.emptyNext}</p>
          {may("run") ? <p><button onClick={add}>{words.add}</button></p> : null}
        </>
      )}
    </div>
  );
}

/** What was refused, in the daemon's words: of several the first, with its number. */
function troubleOf({ refused: [first], moved }: Outcome): Problem | null {
  if (first === undefined) return null;
  const { name, problem } = first;
  return moved.length === 0 && problem.detail === "" ? problem
    : { ...problem, detail: words.refused(name, problem.detail) };
}

type Wish = { kind: "new" } | { kind: "move"; tasks: Task[]; to?: Column };

function Tasks({ project, open, filter }: {
  project: string; open: string | undefined; filter: BoardFilter;
}) {
  const seat = useSeat(), { go, replace, search, query, setQuery } = seat;
  const follow = useBoard(project, filter.archived);
  const { tasks, whole, more, problem } = follow.board.value;
  const columns = useMemo(() => columnsOf(tasks.values(), filter.q), [tasks, filter.q]);
  const byName = useMemo(
    () => new Map([...tasks.values()].map((task) => [task.name, task])), [tasks]);
  const [cursor, cursorShow] = useState<string | null>(null), [talk, talkSet] = useState(false);
  const cursorNow = useRef(cursor); // A column that gets the focus asks before all is drawn.
  const cursorSet = (id: string): void => {
    cursorNow.current = id;
    cursorShow(id);
  };
  const [picked, pickedSet] = useState<ReadonlySet<string>>(new Set());
  const [wish, wishSet] = useState<Wish | null>(null), [unfolded, unfoldedSet] = useState(false);
  const [outcome, outcomeSet] = useState<Outcome | null>(null);
  const dragged = useSignal<Task[] | null>(null);
  const handles = useRef(new Map<Column, { current: RowsHandle | null }>()).current;
  const handleOf = (name: Column) => {
    if (!handles.has(name)) handles.set(name, { current: null });
    return handles.get(name) as { current: RowsHandle | null };
  };
  const narrow = seat.width.value <= NARROW_PX, person = may("approve");
  const asked = query.value.get("col"), shown: Column = isColumn(asked) ? asked
    : COLUMNS.find((name) => columns[name].length > 0) ?? "pending";
  const drawn = narrow ? [shown] : COLUMNS.filter((name) => name !== FOLDED || unfolded);
  const chosen = [...tasks.values()].filter(({ id }) => picked.has(id));
  const one = (cursor === null ? undefined : tasks.get(cursor)) ??
    (open === undefined ? undefined : byName.get(open));
  const about = chosen.length > 0 ? chosen : one === undefined ? [] : [one];
  const address = (name?: string): string =>
    `/board/${encodeURIComponent(project)}${name === undefined ? "" : `/${name}`}${search.value}`;

  const select = (id: string | null, focus: boolean): void => {
    const task = id === null ? undefined : tasks.get(id);
    if (task === undefined) return;
    const column = columnOf(task), handle = handleOf(column).current;
    cursorSet(task.id);
    handle?.show(columns[column].findIndex((row) => row.id === id));
    if (focus) handle?.focus();
  };
  const step = (to: [number, number]): void =>
    select(neighbour(drawn.map((name) => columns[name]), cursor, to), true);
  /** Somebody who reads the task scrolls it. */
  const arrow = (right: number, down: number): void => {
    const side = seat.box?.querySelector(".board-side");
    if (side != null && (narrow || side.contains(document.activeElement))) {
      side.scrollBy({ top: down * SCROLL_PX });
    } else step([right, down]);
  };
  const pick = (ids: readonly string[]): void => {
    if (!person) return;
    const next = new Set(picked), all = ids.every((id) => picked.has(id));
    ids.forEach((id) => (all ? next.delete(id) : next.add(id)));
    pickedSet(next);
  };
  const show = (task: Task | undefined, toTalk = false): void => {
    if (task === undefined) return;
    talkSet(toTalk);
    replace(address(task.name));
  };
  const close = (): void => {
    const task = open === undefined ? undefined : byName.get(open);
    replace(address());
    if (task !== undefined) select(task.id, true);
  };
  const done = (result: Outcome): void => {
    result.moved.forEach(follow.put);
    pickedSet(new Set());
    const isOne = result.refused.length === 1 && isUnread(result); // The task says so itself.
    outcomeSet(isOne ? null : result);
    if (isOne) show(byName.get(result.refused[0]?.name ?? ""));
  };
  const drag = (task: Task | null): void => {
    if (task !== null) outcomeSet(null);
    dragged.value = task === null ? null : picked.has(task.id) ? chosen : [task];
  };
  /** What is not offered is asked all the same: the daemon says why not. */
  const drop = (column: Column): void => {
    const moving = (dragged.value ?? []).filter((task) => columnOf(task) !== column);
    dragged.value = null;
    if (moving.length === 0) return;
    if (moving.some((task) => asksFirst(task, statusIn(column, task)))) {
      wishSet({ kind: "move", tasks: moving, to: column });
    } else void moveAll(moving, (task) => statusIn(column, task)).then(done);
  };
  const card = (task: Task, event: MouseEvent): void => {
    select(task.id, true);
    if (event.altKey) openBeside(`/t/${task.id}`, seat);
    else if (event.ctrlKey || event.metaKey) pick([task.id]);
    else show(task);
  };
  const add = (): void => wishSet({ kind: "new" });
  useEffect(() => {
    const task = open === undefined ? undefined : byName.get(open);
    if (task !== undefined && cursor === null) cursorSet(task.id);
  }, [open, byName]);
  useKeys([
    { key: "ArrowDown", run: () => arrow(0, 1) },
    { key: "ArrowUp", run: () => arrow(0, -1) },
    { key: "ArrowRight", run: () => arrow(1, 0) },
    { key: "ArrowLeft", run: () => arrow(-1, 0) },
    { name: "open", run: () => show(one) },
    ...(may("run") ? [{ name: "newTask" as const, run: add }] : []),
    ...(person ? [
      { name: "pick" as const, run: () => one !== undefined && pick([one.id]) },
      { name: "pickAll" as const, run: () => one !== undefined &&
        pick(columns[columnOf(one)].map(({ id }) => id)) },
      { name: "moveTask" as const, run: () => about.length > 0 &&
        wishSet({ kind: "move", tasks: about }) },
      ...(open === undefined ? [{ name: "commentTask" as const, run: () => show(one, true) }] : []),
    ] : []),
    { name: "leave", run: () => (picked.size > 0 ? pickedSet(new Set()) : open && close()) },
  ]);
  const wished = wish?.kind === "move" && wish.to !== undefined && wish.tasks[0] !== undefined
    ? statusIn(wish.to, wish.tasks[0]) : undefined;
  const stateOf = (name: Column): ColumnProps["dragged"] => (dragged.value === null ? null
    : mayDrop(dragged.value, name) ? "may" : "refused");
  const isEmpty = whole && COLUMNS.every((name) => columns[name].length === 0);
  return (
    <div class={`board${open === undefined ? "" : " open"}`}>
      <div class="board-main">
        <Head project={project} filter={filter} count={tasks.size} add={add}
          busy={[...tasks.values()].filter(isHeld).length} />
        <Trouble problem={problem} retry={follow.again} />
        {narrow && !isEmpty ? (
          <Tabs columns={columns} shown={shown} choose={(name) => setQuery("col", name)} />
        ) : null}
        {!whole && tasks.size === 0 && problem === null ? <Loading /> : null}
        {isEmpty ? <Empty filter={filter} add={add} /> : (
          <div class="board-cols">
            {drawn.map((name) => (
              <ColumnView key={name} name={name} tasks={columns[name]} follow={follow}
                known={byName} narrow={narrow} cursor={cursor} picked={picked}
                dragged={stateOf(name)} draggable={person} handle={handleOf(name)} onCard={card}
                onPick={(task) => pick([task.id])} onDrop={() => drop(name)}
                onDrag={drag} onFold={name === FOLDED && !narrow
                  ? () => unfoldedSet(false) : undefined}
                onFocus={(column) => {
                  const first = columns[column][0];
                  const isIn = columns[column].some(({ id }) => id === cursorNow.current);
                  if (!isIn && first !== undefined) cursorSet(first.id);
                }} />
            ))}
            {narrow || unfolded ? null : (
              <Folded name={FOLDED} tasks={columns[FOLDED]} dragged={stateOf(FOLDED)}
                onOpen={() => unfoldedSet(true)} onDrop={() => drop(FOLDED)} />
            )}
          </div>
        )}
        <Trouble problem={outcome === null ? null : troubleOf(outcome)} />
        {more ? <p class="board-note muted small">{words.some(tasks.size)}</p> : null}
        {chosen.length === 0 ? null : (
          <div class="picked board-picked">
            <b role="status">{words.picked(chosen.length)}</b>
            <button onClick={() => wishSet({ kind: "move", tasks: chosen })}>
              {words.move}<Hint of="moveTask" />
            </button>
            <button class="quiet" onClick={() => pickedSet(new Set())}>{words.clearPicked}</button>
          </div>
        )}
        <p class="hidden" role="status">{outcome === null ? ""
          : words.moved(outcome.moved.length, outcome.moved.length + outcome.refused.length)}</p>
      </div>
      {open === undefined ? null : (
        <TaskAside key={open} project={project} name={open} talk={talk} onClose={close}
          onBack={() => select(byName.get(open)?.id ?? null, true)} />
      )}
      {wish?.kind === "new" ? (
        <TaskForm project={project} task={null} close={() => wishSet(null)} done={(task) => {
          follow.put(task);
          cursorSet(task.id);
          go(address(task.name));
        }} />
      ) : null}
      {wish?.kind === "move" ? (
        <MoveForm tasks={wish.tasks} to={wished} close={() => wishSet(null)} done={done} />
      ) : null}
    </div>
  );
}

export function BoardView({ project = "", task }: Params) {
  const { query } = useSeat(), filter = filterOf(query.value);
  return <Tasks key={`${project} ${filter.archived}`} project={project} open={task}
    filter={filter} />;
}
