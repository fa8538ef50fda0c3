/** The spans of a session or a run, read page by page, then followed: when its stream says
 *  anything, what has changed since is asked for, at most once a second. */
import { signal, type ReadonlySignal } from "@preact/signals";

import { get, type Answer, type Problem } from "../api/api.ts";
import type { Ask, Page, SpanRow } from "../api/types.ts";
import { follow } from "../state/live.ts";
import { spanOf, type Span } from "./tree.ts";

export const SPANS_MAX = 10_000;
/** Rows of the first page, which fill a view and are drawn at once; and of the others. */
const FIRST = 60, PAGE = 1_000, ASKS = 200;
const PICTURE_MS = 250; // A hidden page draws none.
const DRAWN_MS = 250; // What was read so far is drawn as often as this.
const CHANGES_MS = 1000;
/** Commits of one moment may be seen one after the other. */
const MARGIN_MS = 2000;
/** Pieces of an answer change no span. */
const QUIET = ["delta", "thinking_delta", "arguments_delta"];

/** Whose trace it is: a row of the session or of the run. */
export interface Subject {
  id: string; title?: string | null; label?: string | null; kind?: string; state: string;
  gate?: string | null; cause?: string | null; stream?: string; session?: string | null;
  made_ms: number; command?: string;
}

export type Asking = Pick<Ask, "id" | "run" | "tool" | "state" | "by" | "asked_ms" |
  "answered_ms" | "root_run">;

export interface Traced {
  subject: Subject | null;
  spans: ReadonlyMap<string, Span>;
  asks: readonly Asking[];
  /** All pages were read. */
  whole: boolean;
  /** There are more than are shown. */
  cut: boolean;
  problem: Problem | null;
}

export interface Source { kind: "run" | "session"; id: string; turn: number | null }
export interface Opened { state: ReadonlySignal<Traced>; again(): void; end(): void }

/** When what was set is drawn. */
const picture = (): Promise<void> => new Promise((resolve) => {
  const timer = setTimeout(resolve, PICTURE_MS);
  requestAnimationFrame(() => {
    clearTimeout(timer);
    resolve();
  });
});

const nothing: Traced =
  { subject: null, spans: new Map(), asks: [], whole: false, cut: false, problem: null };

export function openTrace({ kind, id, turn }: Source): Opened {
  const state = signal<Traced>(nothing);
  const base = `/${kind}s/${encodeURIComponent(id)}`;
  const path = `${base}/spans?${kind === "run" ? "below=1&" : ""}` +
    (turn === null ? "" : `turn=${turn}&`);
  let spans = new Map<string, Span>();
  let newest_ms = 0; // Of all that is known, by the daemon's clock.
  let ended = false, reads = 0, asked_ms = -Infinity;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let unfollow: (() => void) | null = null;
  const set = (more: Partial<Traced>): void => void (state.value = { ...state.value, ...more });
  const failed = (problem: Problem): void => set({ problem });

  function take(items: readonly SpanRow[]): void {
    for (const given of items) {
      if (!spans.has(given.id) && spans.size >= SPANS_MAX) continue;
      newest_ms = Math.max(newest_ms, given.started_ms, given.ended_ms ?? 0);
      spans.set(given.id, spanOf(given));
    }
  }

  /** Every page of a list, until there are as many as are shown. */
  async function pages(
    target: string, isDue: () => boolean, each: (items: SpanRow[]) => void,
  ): Promise<{ cut: boolean } | null> {
    let after: string | null = null, count = 0;
    do {
      const mark: string = after === null ? `limit=${FIRST}`
        : `limit=${PAGE}&after=${encodeURIComponent(after)}`;
      const answer: Answer<Page<SpanRow>> = await get<Page<SpanRow>>(target + mark);
      if (!isDue()) return null;
      if (!answer.ok) {
        failed(answer.problem);
        return null;
      }
      const isFirst = count === 0;
      count += answer.value.items.length;
      each(answer.value.items);
      after = answer.value.next;
      if (isFirst && after !== null) await picture(); // The next page would be read in its place.
      if (!isDue()) return null;
    } while (after !== null && count < SPANS_MAX);
    return { cut: after !== null || count > SPANS_MAX };
  }

  async function asksRead(): Promise<void> {
    const whose = kind === "session" ? `&session=${id}`
      : `&since=${state.value.subject?.made_ms ?? 0}`;
    const answer = await get<Page<Asking>>(`/approvals?all=1&limit=${ASKS}${whose}`);
    if (ended || !answer.ok) return;
    const asks = answer.value.items.filter((ask) =>
      kind === "session" || ask.run === id || ask.root_run === id);
    set({ asks });
  }

  async function subjectRead(): Promise<void> {
    const answer = await get<Subject>(base);
    if (ended) return;
    if (!answer.ok) return failed(answer.problem);
    set({ subject: answer.value });
    const name = kind === "session" ? `session:${id}` : answer.value.stream ?? `run:${id}`;
    unfollow ??= follow(name, {
      onSnapshot: () => soon(false),
      onEvents: (events) => {
        if (events.every(({ type }) => QUIET.includes(type))) return;
        soon(events.some(({ type }) => /^(approval|question)_/.test(type)));
      },
      onNotices: () => soon(false),
    });
    void asksRead();
  }

  async function read(): Promise<void> {
    const mine = ++reads;
    spans = new Map();
    newest_ms = 0;
    let drawn_ms = -DRAWN_MS; // The first page at once.
    set({ whole: false, problem: null });
    const done = await pages(path, () => !ended && mine === reads, (items) => {
      take(items);
      if (performance.now() - drawn_ms < DRAWN_MS) return;
      drawn_ms = performance.now();
      set({ spans: new Map(spans) });
    });
    if (done !== null) set({ spans: new Map(spans), whole: true, cut: done.cut });
  }

  async function changes(): Promise<void> {
    if (ended || !state.value.whole || state.value.cut) return;
    const mine = reads;
    const since = Math.max(0, newest_ms - MARGIN_MS);
    const found: SpanRow[] = [];
    const done = await pages(`${path}changed_since=${since}&`, () => !ended && mine === reads,
      (items) => void found.push(...items));
    if (done === null) return;
    const differs = found.some((given) => {
      const known = spans.get(given.id);
      return known === undefined || known.state !== given.state || known.end !== given.ended_ms;
    });
    if (!differs) {
      if (state.value.problem !== null) set({ problem: null });
      return;
    }
    take(found);
    set({ spans: new Map(spans), problem: null });
  }

  let asksDue = false;
  function soon(withAsks: boolean): void {
    asksDue ||= withAsks;
    if (timer !== undefined || ended) return;
    timer = setTimeout(() => {
      timer = undefined;
      asked_ms = performance.now();
      if (asksDue) void asksRead();
      asksDue = false;
      if (spans.size === 0) void subjectRead(); // It says why nothing is there.
      if (!state.value.whole && state.value.problem === null) soon(false); // Pages come first.
      else void changes();
    }, Math.max(0, asked_ms + CHANGES_MS - performance.now()));
  }

  const again = (): void => {
    void subjectRead();
    void read();
  };
  again();
  return {
    state, again,
    end: () => {
      ended = true;
      clearTimeout(timer);
      unfollow?.();
    },
  };
}
