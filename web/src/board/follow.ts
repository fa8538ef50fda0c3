/** What the views read: the tasks of a board, which live; why pending ones wait; the board's
 *  settings; one task whole. */
import { computed, signal, type ReadonlySignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";

import { get, patch, type Problem } from "../api/api.ts";
import type { Project as Row, Task } from "../api/types.ts";
import { followOwner } from "../state/owner.ts";
import type { Told } from "../state/keyed.ts";
import { useRead, type Read } from "../state/read.ts";
import { followRows } from "../state/rows.ts";
import type { StreamEvent } from "../stream/index.ts";
import { pathOf, type WholeTask } from "./rules.ts";

/** Most tasks that a board reads, the newest ones, and how many at once. */
export const TASKS_MAX = 10_000;
const PAGE = 200;
/** Sentences of waiting tasks: how many are asked for at once, and how soon again. */
const WAITS_AT_ONCE = 20, WAITS_MS = 150, WAITS_AGAIN_MS = 2_000;

export interface Board {
  tasks: ReadonlyMap<string, Task>;
  /** All of them were read, or as many as there may be. */
  whole: boolean;
  more: boolean;
  problem: Problem | null;
}

export interface BoardFollow {
  board: ReadonlySignal<Board>;
  /** What the daemon says of a task: by its id; null: it waits for nothing. */
  waits: ReadonlySignal<ReadonlyMap<string, string | null>>;
  /** A card of a pending task is there, until the returned function is called. */
  want(id: string): () => void;
  /** A row that an answer had. */
  put(task: Task): void;
  again(): void;
  end(): void;
}

/** Why pending tasks wait is no part of a list: it is read for the cards that are there. */
function waitsOf(taskOf: (id: string) => Task | undefined) {
  const waits = signal<ReadonlyMap<string, string | null>>(new Map());
  const wanted = new Set<string>(), stale = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | null = null, last_ms = 0, isOver = false;
  const soon = (ms: number): void => {
    timer ??= setTimeout(() => void read(), ms);
  };
  const read = async (): Promise<void> => {
    const ids = [...stale].filter((id) => wanted.has(id)).slice(0, WAITS_AT_ONCE);
    last_ms = performance.now();
    ids.forEach((id) => stale.delete(id));
    const answers = await Promise.all(ids.map(async (id) => {
      const task = taskOf(id);
      const answer = task === undefined ? null : await get<WholeTask>(pathOf(task));
      return answer?.ok ? [id, answer.value.waits] as const : null;
    }));
    timer = null;
    if (isOver) return;
    waits.value = new Map([...waits.value, ...answers.filter((one) => one !== null)]);
    const due = [...stale].filter((id) => wanted.has(id));
    if (due.length > 0) soon(due.every((id) => waits.value.has(id)) ? WAITS_AGAIN_MS : WAITS_MS);
  };
  return {
    waits,
    want: (id: string) => {
      wanted.add(id);
      if (!waits.value.has(id)) stale.add(id);
      if (stale.has(id)) soon(WAITS_MS);
      return () => void wanted.delete(id);
    },
    /** Any change may be what they wait for. */
    changed: () => {
      for (const id of [...waits.value.keys(), ...wanted]) stale.add(id);
      if (wanted.size > 0) {
        soon(Math.max(WAITS_MS, last_ms + WAITS_AGAIN_MS - performance.now()));
      }
    },
    end: () => {
      isOver = true;
      clearTimeout(timer ?? undefined);
    },
  };
}

export function followBoard(project: string, archived: boolean): BoardFollow {
  const list = followRows<Task>({
    path: `/projects/${encodeURIComponent(project)}/tasks?limit=${PAGE}` +
      (archived ? "&archived=1" : ""),
    type: "task_changed", most: TASKS_MAX,
    fits: (task) => task.project === project && (task.archived ?? false) === archived,
  });
  const board = computed<Board>(() => {
    const { items, next, whole, problem } = list.rows.value;
    return { tasks: new Map(items.map((task) => [task.id, task])), whole, more: next !== null,
      problem };
  });
  const waiting = waitsOf((id) => board.peek().tasks.get(id));
  const isOurs = ({ type, data }: StreamEvent): boolean => {
    const { project: of, removed, left_out } = data as Told<Task>;
    return type === "project_changed" ||
      (type === "task_changed" && (of === project || removed === true || left_out === true));
  };
  const end = followOwner({
    onReset: () => {},
    onEvents: (events) => {
      if (events.some(isOurs)) waiting.changed();
    },
  });
  return {
    board, waits: waiting.waits, want: waiting.want, again: list.again,
    put: (task) => {
      list.put(task);
      waiting.changed();
    },
    end: () => {
      list.end();
      end();
      waiting.end();
    },
  };
}

export function useBoard(project: string, archived: boolean): BoardFollow {
  const follow = useMemo(() => followBoard(project, archived), [project, archived]);
  useEffect(() => follow.end, [follow]);
  return follow;
}

/** --- Settings of a board --- */

export type BoardSettings = { hold?: boolean; agents?: { name: string }[] };
export interface Project extends Row { board: BoardSettings | null }

/** null: not read yet, or there is none. */
export function useProject(name: string) {
  const path = `/projects/${encodeURIComponent(name)}`;
  const { value: project, put } = useRead<Project>(path, { after: ({ type, data }) =>
    type === "project_changed" && (data as Partial<Project>).name === name });
  const hold = async (on: boolean): Promise<Problem | null> => {
    const { hold: _, ...board } = project?.board ?? {};
    const answer = await patch<Project>(path, { board: on ? { ...board, hold: true } : board });
    if (answer.ok) put(answer.value);
    return answer.ok ? null : answer.problem;
  };
  return { project, hold };
}

/** --- One task --- */

const ABOUT = ["output_changed", "comment_changed", "attempt_changed", "review_changed",
  "task_event"];

/** Whether an event may be about a task. */
function isAbout({ type, data }: StreamEvent, task: WholeTask | null): boolean {
  const { id, task: of, project } = data as Record<string, unknown>;
  const isPending = task?.status === "pending";
  if (type === "task_changed") return id === task?.id || (isPending && project === task.project);
  return type === "project_changed" ? isPending : ABOUT.includes(type) && of === task?.id;
}

/** `at`: a path below /projects: `engine/tasks/T-31`, `_/tasks/tsk_…`. */
export const useTask = (at: string): Read<WholeTask> =>
  useRead<WholeTask>(`/projects/${at}?expand=all`, { after: isAbout });
