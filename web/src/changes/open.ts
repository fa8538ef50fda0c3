/** Changes that are shown: their list, read again when the stream says that it has changed, and the
 *  diff of each file that is near the view. */
import { batch, signal, type ReadonlySignal } from "@preact/signals";

import { get, getBytes, put, type Answer, type Problem } from "../api/api.ts";
import type { ChangedFile, Changes } from "../api/types.ts";
import { latest } from "../state/latest.ts";
import { diffsOf, type Diff } from "./diffs.ts";
import { knownOf, marksAfter, ordered, type Mark, type Marks } from "./rules.ts";

export interface Source { kind: "session" | "run"; id: string }
export interface Wish { base: string; since: boolean }

export interface Listed extends Omit<Changes, "next"> {
  ready: boolean;
  /** All pages were read, or as many as are shown; then `cut`, where there are more. */
  whole: boolean;
  cut: boolean;
}

export interface Opened {
  list: ReadonlySignal<Listed>;
  marks: ReadonlySignal<Marks>;
  problem: ReadonlySignal<Problem | null>;
  diffOf(path: string): ReadonlySignal<Diff>;
  /** Until the returned function is called, this diff is read, and read again when it changes. */
  want(file: ChangedFile): () => void;
  /** Marks the content that is shown. */
  view(file: ChangedFile, viewed: boolean): Promise<void>;
  /** The list is read again, at most once a second. */
  soon(): void;
  again(): void;
  end(): void;
}

const PAGE = 500, FILES_MAX = 5_000;
const PAUSE_MS = 1_000;

const nothing: Listed = {
  world: null, from: null, to: null, files: [], totals: { files: 0, added: 0, removed: 0 },
  left_out: [], left_out_count: 0, ready: false, whole: false, cut: false,
};

export const pathOf = ({ kind, id }: Source): string => `/${kind}s/${encodeURIComponent(id)}`;

function queryOf({ base, since }: Wish): string {
  return `${base === "" ? "" : `&base=${encodeURIComponent(base)}`}${since ? "&since=viewed" : ""}`;
}

export function openChanges(source: Source, wish: Wish): Opened {
  const list = signal<Listed>(nothing), marks = signal<Marks>(new Map());
  const problem = signal<Problem | null>(null);
  const path = pathOf(source), query = queryOf(wish), begun = latest();
  const diffs = diffsOf(async (one) => {
    const answer = await getBytes(`${path}/diff?path=${encodeURIComponent(one)}${query}`);
    if (!answer.ok) return answer;
    return { ok: true, value: answer.value.bytes };
  });
  let ended = false, busy = 0, due = false, last_ms = -Infinity;
  let timer: ReturnType<typeof setTimeout> | undefined;

  /** The first pages are shown as they come; later the list changes when all of it is there. */
  async function pages(counts: () => boolean): Promise<void> {
    const asked = knownOf(marks.peek());
    let files: ChangedFile[] = [];
    for (let after: string | null = ""; after !== null;) {
      const from: string = after === "" ? "" : `&after=${encodeURIComponent(after)}`;
      const answer: Answer<Changes> =
        await get<Changes>(`${path}/changes?limit=${PAGE}${query}${from}`);
      if (ended || !counts()) return;
      if (!answer.ok) return void (problem.value = answer.problem);
      const { next, ...page }: Changes = answer.value;
      files = [...files, ...page.files];
      after = files.length < FILES_MAX ? next : null;
      if (after !== null && list.peek().whole) continue;
      batch(() => {
        list.value = { ...page, files: ordered(files), ready: true, whole: after === null,
          cut: after === null && next !== null };
        problem.value = null;
        if (after === null) marks.value = marksAfter(marks.peek(), asked);
      });
    }
  }

  async function read(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    due = false;
    busy++;
    last_ms = performance.now();
    await pages(begun());
    busy--;
    if (due) soon();
  }

  function soon(): void {
    due = busy > 0;
    if (due || timer !== undefined || ended) return;
    timer = setTimeout(() => void read(),
      Math.max(0, last_ms + PAUSE_MS - performance.now()));
  }

  async function view({ path: of, after }: ChangedFile, viewed: boolean): Promise<void> {
    const mark: Mark = { after: after ?? "", viewed, known: false };
    const set = (one: Mark | null): void => {
      const now = new Map(marks.peek());
      if (one === null) now.delete(of);
      else now.set(of, one);
      marks.value = now;
    };
    set(mark);
    const answer = await put<unknown>(`${path}/viewed`, { path: of, after: mark.after, viewed });
    if (marks.peek().get(of) !== mark) return; // Set once more meanwhile.
    set(answer.ok ? { ...mark, known: true } : null);
    problem.value = answer.ok ? null : answer.problem;
  }

  void read();
  return {
    list, marks, problem, view, soon, diffOf: diffs.diffOf, want: diffs.want,
    again: () => void read(),
    end: () => {
      ended = true;
      clearTimeout(timer);
      diffs.end();
    },
  };
}
