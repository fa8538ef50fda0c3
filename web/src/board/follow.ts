/** What the views read: the tasks of a board, which live; why pending ones wait; the board's
 *  settings; one task whole. */
import { signal, type ReadonlySignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";

import { get, patch, type Answer, type Problem } from "../api/api.ts";
import type { Page, Project as Row, Task } from "../api/types.ts";
import { followOwner } from "../state/owner.ts";
import { useRead, type Read } from "../state/read.ts";
import type { StreamEvent } from "../stream/index.ts";
import { pathOf, type WholeTask } from "./rules.ts";

/** Most tasks that a board reads, the newest ones, and how many at once. */
export const TASKS_MAX = 10_000;
const PAGE = 200;
/** Sentences of waiting tasks: how many are asked for at once, and how soon again. */
const WAITS_AT_ONCE = 20, WAITS_MS = 150, WAITS_AGAIN_MS = 2_000;

type Told = Partial<Task> & { id: string; removed?: true; left_out?: true };

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
  const board = signal<Board>({ tasks: new Map(), whole: false, more: false, problem: null });
  const waiting = waitsOf((id) => board.value.tasks.get(id));
  let reads = 0;
  let told = new Set<string>(); // Ids of events since the read began: they know better than pages.
  const path = `/projects/${encodeURIComponent(project)}/tasks?limit=${PAGE}` +
    (archived ? "&archived=1" : "");
  const isHere = (task: Told): boolean =>
    task.removed === undefined && (task.archived ?? false) === archived;
  const set = (change: Partial<Board>): void => void (board.value = { ...board.value, ...change });

  const read = async (): Promise<void> => {
    const mine = ++reads;
    told = new Set();
    const found = new Map<string, Task>();
    for (let after: string | null = ""; after !== null;) {
      const answer: Answer<Page<Task>> = await get<Page<Task>>(
        path + (after === "" ? "" : `&after=${encodeURIComponent(after)}`));
      if (mine !== reads) return;
      if (!answer.ok) return set({ problem: answer.problem });
      const { items, next }: Page<Task> = answer.value;
      const isLast: boolean = next === null || found.size >= TASKS_MAX;
      for (const task of items) found.set(task.id, task);
      // What stood there stays until all is read; what events told stays as they told it.
      const { tasks: before } = board.value;
      const tasks = new Map(isLast ? found : [...before, ...found]);
      for (const id of told) {
        const task = before.get(id);
        if (task === undefined) tasks.delete(id);
        else tasks.set(id, task);
      }
      set({ tasks, whole: isLast, more: next !== null, problem: null });
      after = isLast ? null : next;
    }
  };
  const apply = (rows: readonly Told[]): void => {
    const tasks = new Map(board.value.tasks);
    for (const row of rows) {
      if (row.left_out) continue; // Too long for an event: it stands as it was read.
      told.add(row.id);
      if (isHere(row)) tasks.set(row.id, { ...tasks.get(row.id), ...row } as Task);
      else tasks.delete(row.id);
    }
    set({ tasks });
    waiting.changed();
  };
  const end = followOwner({
    onReset: () => void read(),
    onEvents: (events) => {
      const rows = events.filter(({ type }) => type === "task_changed").map(({ data }) =>
        data as Told).filter((row) => row.removed || row.left_out || row.project === project);
      if (rows.length > 0) apply(rows);
      if (events.some(({ type }) => type === "project_changed")) waiting.changed();
    },
  });
  return {
    board, waits: waiting.waits, want: waiting.want, put: (task) => apply([task]),
    again: () => void read(),
    end: () => {
      reads++;
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
