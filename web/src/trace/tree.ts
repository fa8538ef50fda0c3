/** Spans of a session or of a run and all below it, as a tree: groups, sums, failed ones, and the
 *  lines that are shown. Everything here is pure. */
import type { SpanRow } from "../api/types.ts";

export interface Span {
  id: string; run: string; attempt: number; step: number | null; kind: string; name: string;
  /** What tells it from others of its name: the command, the path; or why it failed. */
  about: string;
  state: string; cause: string | null; error: string | null; start: number; end: number | null;
  turn: number | null; message: string | null; parent: string | null; tries: number;
  /** Tokens: all of them; those that were read; those of them that came from a cache. */
  tokens: number; read: number; cached: number;
  cost: number | null; unpriced: boolean;
  due: number | null;
}

export interface Sums {
  spans: number; errors: number; ms: number; tokens: number; read: number; cached: number;
  cost: number | null; unpriced: number;
}

export interface Node {
  id: string;
  /** null: a group that is no row of the daemon, a turn or all calls of one tool. */
  span: Span | null;
  turn: number | null;
  name: string; about: string; state: string;
  level: number;
  up: Node | null;
  below: Node[];
  start: number;
  /** null: it runs. */
  end: number | null;
  /** The time at which its axis begins: that of its turn, or of the whole run. */
  base: number;
  sums: Sums;
}

export interface Tree {
  roots: readonly Node[];
  nodes: ReadonlyMap<string, Node>;
  /** Failed steps, by time. */
  errors: readonly Node[];
  sums: Sums;
  live: boolean;
}

export type By = "time" | "tool";

const ERRORS = ["failed", "timed_out", "lost", "denied", "outcome_unknown"];
const ABOUT_MAX = 120;
export const isError = ({ state }: { state: string }): boolean => ERRORS.includes(state);
const isStep = (span: Span): boolean => span.step !== null;

/* --- Rows of the daemon ----------------------------------------------------------------------- */

/** The values of a call's arguments, as one line, a command before its words; a text that is no
 *  whole JSON as it is. */
function argumentsText(input: string): string {
  const shown = (value: unknown): string => (Array.isArray(value) ? value.map(shown).join(" ")
    : typeof value === "object" && value !== null ? Object.values(value).map(shown).join(" ")
    : String(value));
  try {
    const given: unknown = JSON.parse(input);
    if (typeof given !== "object" || given === null || !("command" in given)) return shown(given);
    const { command, ...rest } = given;
    return shown({ command, ...rest });
  } catch {
    return input;
  }
}

function aboutOf({ kind, input, label, name, step, error }: SpanRow): string {
  const text = kind === "tool" ? argumentsText(input ?? "")
    : step !== null && error !== null ? error
    : step === null && label !== name ? label ?? "" : "";
  return text.slice(0, 4 * ABOUT_MAX).replace(/\s+/g, " ").trim().slice(0, ABOUT_MAX);
}

/** Input and output are left out: ten thousand of them would fill the page's memory. */
export function spanOf(given: SpanRow): Span {
  const { tokens, cost_micros: cost, parent = null, turn = null, message = null } = given;
  const cached = tokens?.cache_read ?? 0;
  const read = (tokens?.fresh ?? 0) + cached + (tokens?.cache_write ?? 0);
  return {
    id: given.id, run: given.run, attempt: given.attempt, step: given.step, kind: given.kind,
    name: given.kind === "model" ? given.name.slice(given.name.indexOf("/") + 1) : given.name,
    about: aboutOf(given), due: given.due_ms ?? null, cause: given.cause, error: given.error,
    // A timer waits for its time, and for nobody.
    state: given.kind === "timer" && given.ended_ms === null ? "running" : given.state,
    start: given.started_ms, end: given.ended_ms, turn, message, parent, tries: given.tries,
    tokens: read + (tokens?.output ?? 0), read, cached, cost,
    unpriced: given.ended_ms !== null && tokens !== null && tokens.fresh !== null && cost === null,
  };
}

/* --- The tree --------------------------------------------------------------------------------- */

const sumsNone = (): Sums =>
  ({ spans: 0, errors: 0, ms: 0, tokens: 0, read: 0, cached: 0, cost: null, unpriced: 0 });

function sumsAdd(sums: Sums, other: Sums): void {
  sums.spans += other.spans;
  sums.errors += other.errors;
  sums.ms += other.ms;
  sums.tokens += other.tokens;
  sums.read += other.read;
  sums.cached += other.cached;
  sums.unpriced += other.unpriced;
  if (other.cost !== null) sums.cost = (sums.cost ?? 0) + other.cost;
}

/** Of a step; those of a run are those of its steps. */
const sumsOf = (span: Span): Sums => (!isStep(span) ? sumsNone() : {
  spans: 1, errors: Number(isError(span)), ms: span.end === null ? 0 : span.end - span.start,
  tokens: span.tokens, read: span.read, cached: span.cached, cost: span.cost,
  unpriced: Number(span.unpriced),
});

const nodeOf = (id: string, span: Span | null): Node => ({
  id, span, turn: span?.turn ?? null, name: span?.name ?? "", about: span?.about ?? "",
  state: span?.state ?? "", level: 0, up: null, below: [], start: span?.start ?? Infinity,
  end: span?.end ?? null, base: 0, sums: span === null ? sumsNone() : sumsOf(span),
});

/** The group that a span is in; null: it stands by itself. */
function groupOf(span: Span, by: By): string | null {
  if (by === "tool") return isStep(span) ? `${span.kind} ${span.name}` : null;
  return span.turn === null ? null : `turn ${span.turn}`;
}

/** A group lasts from its first span to the end of the last one, and is as well as its last call
 *  of a model; of one tool, as its worst call. */
function groupDone(group: Node, by: By): void {
  const spans = group.below;
  const isLive = spans.some(({ end }) => end === null);
  group.start = spans.reduce((least, { start }) => Math.min(least, start), Infinity);
  group.end = isLive ? null : spans.reduce((most, { end }) => Math.max(most, end ?? 0), 0);
  const last = by === "tool" ? spans.find(isError)
    : spans.filter(({ span }) => span?.kind === "model").at(-1);
  group.state = isLive ? "running" : last?.state ?? "succeeded";
}

const byTime = (one: Node, other: Node): number => one.start - other.start;
/** The newest turn stands first; within it, and elsewhere, time goes down. */
const byTurn = (one: Node, other: Node): number => (other.turn ?? 0) - (one.turn ?? 0);

function finish(node: Node, base: number): void {
  node.base = base;
  if (node.below.length > 1) node.below.sort(byTime);
  for (const one of node.below) {
    one.level = node.level + 1;
    finish(one, base);
    sumsAdd(node.sums, one.sums);
  }
}

export function treeOf(spans: Iterable<Span>, by: By = "time"): Tree {
  const nodes = new Map<string, Node>(), groups: Node[] = [];
  for (const span of spans) {
    if (by === "tool" && !isStep(span)) continue;
    nodes.set(span.id, nodeOf(span.id, span));
  }
  const roots: Node[] = [], errors: Node[] = [];
  for (const node of [...nodes.values()]) {
    const span = node.span as Span, group = groupOf(span, by);
    if (isStep(span) && isError(span)) errors.push(node);
    let up = group !== null ? nodes.get(group)
      : span.parent !== null && by === "time" ? nodes.get(span.parent) : undefined;
    if (up === undefined && group !== null) {
      up = nodeOf(group, null);
      up.turn = by === "time" ? span.turn : null;
      up.name = by === "time" ? "" : span.name;
      nodes.set(group, up);
      groups.push(up);
      roots.push(up);
    }
    node.up = up ?? null;
    if (up === undefined) roots.push(node);
    else up.below.push(node);
  }
  for (const group of groups) {
    group.below.sort(byTime);
    groupDone(group, by);
  }
  const isSession = by === "time" && groups.length > 0;
  roots.sort(isSession ? byTurn : byTime);
  const first = roots.reduce((least, { start }) => Math.min(least, start), Infinity);
  const sums = sumsNone();
  for (const root of roots) {
    finish(root, isSession ? root.start : first);
    sumsAdd(sums, root.sums);
  }
  errors.sort(byTime);
  const live = roots.some(({ end }) => end === null);
  return { roots, nodes, errors, sums, live };
}

/* --- What is shown ---------------------------------------------------------------------------- */

export interface Filter {
  errors: boolean;
  /** "": all of them. */
  kind: string;
  min_ms: number;
  q: string;
}
export const isFiltered = ({ errors, kind, min_ms, q }: Filter): boolean =>
  errors || kind !== "" || min_ms > 0 || q !== "";

/** Nothing that was asked for is a group, or a run: those stand above what fits. */
export function fits({ span, name, about, start, end }: Node, filter: Filter, now: number):
boolean {
  if (span === null) return false;
  if (filter.errors && !(isError(span) && isStep(span))) return false;
  if (filter.kind !== "" && span.kind !== filter.kind) return false;
  if (filter.min_ms > 0 && !(isStep(span) && (end ?? now) - start >= filter.min_ms)) return false;
  if (filter.q === "") return isStep(span);
  const wanted = filter.q.toLowerCase();
  return [name, about, span.error ?? "", span.cause ?? ""]
    .some((text) => text.toLowerCase().includes(wanted));
}

/** Which nodes are open: all above a level, but those that somebody opened or closed. */
export interface Opened { level: number; other: ReadonlySet<string> }
export const isOpen = ({ level, other }: Opened, node: Node): boolean =>
  (node.level < level) !== other.has(node.id);

export function toggled(opened: Opened, id: string): Opened {
  const other = new Set(opened.other);
  if (!other.delete(id)) other.add(id);
  return { ...opened, other };
}

/** With all that stands above a node open. */
export function revealed(opened: Opened, node: Node): Opened {
  let now = opened;
  for (let up = node.up; up !== null; up = up.up) if (!isOpen(now, up)) now = toggled(now, up.id);
  return now;
}

export interface Gap { from: number; to: number; why: "you" | "idle" }

export type Line =
  | { key: string; kind: "span" | "pinned"; node: Node }
  /** There are more failed ones than are pinned. */
  | { key: string; kind: "rest"; count: number }
  | { key: string; kind: "idle"; gap: Gap };

export const PINNED_MAX = 6;

/** `gaps`: those that are collapsed, by time. */
export function linesOf(
  tree: Tree, filter: Filter, opened: Opened, gaps: readonly Gap[], now: number): Line[] {
  const lines: Line[] = [], filtered = isFiltered(filter);
  if (!filtered) {
    const pinned = tree.errors.slice(0, PINNED_MAX);
    for (const node of pinned) lines.push({ key: `! ${node.id}`, kind: "pinned", node });
    const count = tree.errors.length - pinned.length;
    if (count > 0) lines.push({ key: "!", kind: "rest", count });
  }
  const due = [...gaps];
  const add = (node: Node): boolean => {
    const at = lines.length;
    lines.push({ key: node.id, kind: "span", node });
    let any = !filtered || fits(node, filter, now);
    if (filtered || isOpen(opened, node)) {
      for (const one of node.below) any = add(one) || any;
    }
    if (!any) lines.length = at;
    return any;
  };
  tree.roots.forEach(add);
  if (due.length === 0) return lines;
  // Each gap once: before the first line that begins after it.
  const out: Line[] = [];
  for (const line of lines) {
    if (line.kind === "span" && line.node.level > 0) {
      const start = line.node.start - line.node.base;
      for (let gap = due[0]; gap !== undefined && gap.to <= start + 1; gap = due[0]) {
        out.push({ key: `idle ${gap.from}`, kind: "idle", gap });
        due.shift();
      }
    }
    out.push(line);
  }
  return out;
}
