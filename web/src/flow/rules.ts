/** Rules of flows: what a step is, how it stands, and where the graph draws it. Pure.
 *
 *  The graph has a column for each layer: a step stands one to the right of the last of those that
 *  it waits for. An edge over several layers runs through each of them in a lane of its own, which
 *  all edges of one step share, so no line passes behind a step that it does not belong to. The
 *  same steps give the same picture. */
import type { FlowRun, FlowStep, FlowVerdict } from "../api/types.ts";
import { stateMark, type StateMark } from "../parts/mark.ts";

/** Of a flow that only was checked, or of a run. */
export type Step = Omit<FlowVerdict["steps"][number], "wave"> & Partial<FlowStep>;

const BATCH = "batch:";
const SETTLED = ["completed", "failed", "skipped", "cancelled", "timed_out", "excluded"];
/** Those that do nothing: the graph greys them. */
const OUT = ["excluded", "skipped"];

export const isSettled = ({ status }: Step): boolean => SETTLED.includes(status);
export const isOut = ({ status }: Step): boolean => OUT.includes(status);
export const isFailed = ({ status }: Step): boolean =>
  status === "failed" || status === "timed_out";
/** It asks somebody. A code step that runs is blocked by nothing but a question of its agents. */
export const isWaiting = ({ kind, status, phase }: Step): boolean =>
  (status === "blocked" && (phase === "person" || (kind === "code" && phase === "run")));

/** Shape and colour; the word stands in `words`. */
export function markOf(step: Step, asks = false): StateMark {
  if (asks || isWaiting(step)) return ["◆", "wait"];
  if (step.cached) return ["▒", "cached"];
  const own: Record<string, StateMark> =
    { blocked: ["◇", "wait"], skipped: ["»", "stopped"], excluded: ["–", "stopped"] };
  return own[step.status] ?? stateMark(step.status);
}

/** The label of the branch that a switch has taken; null: that for no case, or none; undefined: it
 *  has not chosen. */
export function chosenOf({ kind, status, result = "" }: Step): string | null | undefined {
  if (kind !== "switch" || status !== "completed") return undefined;
  return result.startsWith("branch:") ? result.slice("branch:".length) : null;
}

/** Whether the branch of a step was taken; null: it is in none, or nobody has chosen yet. */
export function isChosen(step: Step, byId: ReadonlyMap<string, Step>): boolean | null {
  const by = step.branch === null ? undefined : byId.get(step.branch.switch);
  const chosen = by === undefined ? undefined : chosenOf(by);
  return chosen === undefined ? null : chosen === step.branch?.label;
}

/** How long it took, or takes; null: it has not begun, or did nothing. */
export function tookOf(step: Step, now_ms: number): number | null {
  const { began_ms = null, changed_ms = 0 } = step;
  if (began_ms === null || isOut(step)) return null;
  return Math.max(0, (isSettled(step) ? changed_ms : now_ms) - began_ms);
}

export interface Sums { done: number; total: number; cached: number; failed: number; out: number }
export function sumsOf(steps: readonly Step[]): Sums {
  const count = (is: (step: Step) => unknown): number => steps.filter(is).length;
  const out = count(isOut);
  return { done: count(isSettled) - out, total: steps.length - out, failed: count(isFailed), out,
    cached: count(({ cached }) => cached) };
}

/** Whether a run is `top`, or below it, as far as it is known what is `above` each run. */
export function isBelow(
  above: ReadonlyMap<string, string>, run: string, top: string): boolean {
  let at = run;
  while (at !== "" && at !== top) at = above.get(at) ?? "";
  return at !== "";
}

/* --- Once more -------------------------------------------------------------------------------- */

export type Rerun = "rerun" | "rerun_from";
/** How a step of an ended run may run again: alone, and with what comes after it, if anything does.
 *  A step that was left out would be so again; one that was never reached runs in any case. */
export function rerunsOf(step: Step, isLast: boolean): Rerun[] {
  const isDone = step.status === "completed", isAlone = isDone && step.kind !== "switch";
  return [...isAlone ? ["rerun" as const] : [],
    ...(isDone && !(isAlone && isLast)) || isFailed(step) ? ["rerun_from" as const] : []];
}

/** The request that runs what failed or was never reached; null: there is nothing of that kind. */
export function resumeOf({ id, state, steps }: FlowRun, parent: string | null):
  [path: string, body: object] | null {
  const isGood = state === "succeeded"; // A run that is part of another is no work to be retried.
  if (isGood && !steps.some(isFailed)) return null;
  return isGood || parent !== null ? ["/flows", { resumeFromRunId: id }]
    : [`/runs/${id}/retry`, {}];
}

/* --- What waits for what ---------------------------------------------------------------------- */

export const byIdOf = (steps: readonly Step[]): Map<string, Step> =>
  new Map(steps.map((step) => [step.step_id, step]));

/** For each step the places of those that it waits for: steps, members of batches, its switch. */
export function sourcesOf(steps: readonly Step[]): number[][] {
  const places = new Map(steps.map(({ step_id }, at) => [step_id, at]));
  const batches = new Map<string, number[]>();
  steps.forEach(({ batch }, at) => {
    if (batch !== null) batches.set(batch, [...batches.get(batch) ?? [], at]);
  });
  return steps.map(({ deps, branch }, at) => {
    const found = new Set(deps.flatMap((dep) => (dep.startsWith(BATCH)
      ? batches.get(dep.slice(BATCH.length)) ?? [] : places.get(dep) ?? [])));
    const by = branch === null ? undefined : places.get(branch.switch);
    if (by !== undefined) found.add(by);
    found.delete(at);
    return [...found].sort((a, b) => a - b);
  });
}

/** The layer of each step: the longest way to it. What stands in a circle gets none after it. */
export function layersOf(sources: readonly number[][]): number[] {
  const targets: number[][] = sources.map(() => []), layers = sources.map(() => 0);
  sources.forEach((list, at) => list.forEach((from) => targets[from]?.push(at)));
  const left = sources.map(({ length }) => length);
  const ready = left.flatMap((count, at) => (count === 0 ? [at] : []));
  for (const at of ready) {
    for (const to of targets[at] ?? []) {
      layers[to] = Math.max(layers[to] ?? 0, (layers[at] ?? 0) + 1);
      left[to] = (left[to] ?? 0) - 1;
      if (left[to] === 0) ready.push(to);
    }
  }
  return layers;
}

/* --- Where it is drawn ------------------------------------------------------------------------ */

export const NODE = { width: 208, height: 68 };
const GAP_X = 44, GAP_Y = 14, LANE = 8, EDGE = 16;
/** Around the members of a batch, and above them for its name. */
const BATCH_PAD = 6, BATCH_HEAD = 20;
/** Beyond these, long edges have no lanes; and no edges are drawn. */
const LANES_MAX = 2_000, EDGES_MAX = 6_000;
/** Layers up to this height stand in the middle; of higher ones nobody would find it. */
const CENTRED_MAX = 1_400;
const SWEEPS = 4;

export interface Placed { at: number; layer: number; x: number; y: number }
export interface Edge { from: number; to: number; path: string }
export interface Group { batch: string; x: number; y: number; width: number; height: number }
export interface Layout {
  width: number; height: number;
  /** In the order in which they stand: by layer, from the top. */
  nodes: Placed[];
  edges: Edge[];
  groups: Group[];
  /** There are more edges than are drawn. */
  cut: boolean;
}

/** A step, or a lane of the edges that come from one. */
interface Item { step: number; isLane: boolean; batch: string | null; y: number }

/** Items of each layer, and for a source and a layer its item there. */
function itemsOf(steps: readonly Step[], sources: readonly number[][], layers: readonly number[]) {
  const columns: Item[][] = [];
  const column = (layer: number): Item[] => (columns[layer] ??= []);
  const own: Item[] = steps.map(({ batch }, at) => {
    const item = { step: at, isLane: false, batch, y: 0 };
    column(layers[at] ?? 0).push(item);
    return item;
  });
  const last = layers.slice();
  sources.forEach((list, at) => list.forEach((from) =>
    (last[from] = Math.max(last[from] ?? 0, (layers[at] ?? 0) - 1))));
  const count = last.reduce((sum, layer, at) => sum + Math.max(0, layer - (layers[at] ?? 0)), 0);
  const lanes = new Map<string, Item>();
  if (count <= LANES_MAX) {
    last.forEach((end, at) => {
      for (let layer = (layers[at] ?? 0) + 1; layer <= end; layer++) {
        const item = { step: at, isLane: true, batch: null, y: 0 };
        column(layer).push(item);
        lanes.set(`${at} ${layer}`, item);
      }
    });
  }
  return { columns, own, lanes };
}

/** Each layer sorted by where its neighbours stand, there and back: fewer lines cross. Members of a
 *  batch stay together. */
function sorted(columns: Item[][], before: (item: Item, layer: number) => Item[],
  after: (item: Item, layer: number) => Item[]): void {
  const place = new Map<Item, number>();
  const number = (column: Item[]): void => column.forEach((item, at) =>
    place.set(item, (at + 0.5) / column.length));
  columns.forEach(number);
  const mean = (list: number[], otherwise: number): number =>
    (list.length === 0 ? otherwise : list.reduce((a, b) => a + b, 0) / list.length);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const back = sweep % 2 === 1, order = columns.map((_, at) => at);
    for (const layer of back ? order.reverse() : order) {
      const column = columns[layer] ?? [];
      const keys = new Map(column.map((item) => [item, mean(
        (back ? after : before)(item, layer).map((one) => place.get(one) ?? 0),
        place.get(item) ?? 0)]));
      const groups = new Map<string, number[]>();
      for (const item of column) {
        if (item.batch === null) continue;
        groups.set(item.batch, [...groups.get(item.batch) ?? [], keys.get(item) ?? 0]);
      }
      const keyOf = (item: Item): number => (item.batch === null ? keys.get(item) ?? 0
        : mean(groups.get(item.batch) ?? [], 0));
      column.sort((a, b) => keyOf(a) - keyOf(b) ||
        (a.batch ?? "").localeCompare(b.batch ?? "") || (keys.get(a) ?? 0) - (keys.get(b) ?? 0) ||
        Number(a.isLane) - Number(b.isLane) || a.step - b.step);
      number(column);
    }
  }
}

/** From the right of one box to the left of the next. */
const curve = (x1: number, y1: number, x2: number, y2: number): string =>
  (Math.abs(y1 - y2) < 1 ? `H${x2}`
    : `C${x1 + GAP_X / 2} ${y1} ${x2 - GAP_X / 2} ${y2} ${x2} ${y2}`);

const heightOf = ({ isLane }: Item): number => (isLane ? LANE : NODE.height);
const xOf = (layer: number): number => EDGE + layer * (NODE.width + GAP_X);

function groupsOf(columns: readonly Item[][]): Group[] {
  return columns.flatMap((column, layer) => {
    const found: Group[] = []; // Each begins with the first of its members in a row.
    column.forEach((item, at) => {
      if (item.batch === null) return;
      const bottom = item.y + NODE.height + BATCH_PAD, above = found.at(-1);
      if (column[at - 1]?.batch === item.batch && above !== undefined) {
        above.height = bottom - above.y;
      } else {
        found.push({ batch: item.batch, x: xOf(layer) - BATCH_PAD, y: item.y - BATCH_HEAD,
          width: NODE.width + 2 * BATCH_PAD, height: bottom - item.y + BATCH_HEAD });
      }
    });
    return found;
  });
}

export function layoutOf(steps: readonly Step[]): Layout {
  const sources = sourcesOf(steps), layers = layersOf(sources);
  const { columns, own, lanes } = itemsOf(steps, sources, layers);
  /** What the edges of a step look like in a layer. */
  const there = (step: number, layer: number): Item | undefined =>
    (layers[step] === layer ? own[step] : lanes.get(`${step} ${layer}`));
  const targets: number[][] = steps.map(() => []);
  sources.forEach((list, at) => list.forEach((from) => targets[from]?.push(at)));
  const known = (item: Item | undefined): Item[] => (item === undefined ? [] : [item]);
  sorted(columns,
    ({ step, isLane }, layer) => (isLane ? known(there(step, layer - 1))
      : (sources[step] ?? []).flatMap((from) => known(there(from, layer - 1)))),
    ({ step }, layer) => [...known(lanes.get(`${step} ${layer + 1}`)),
      ...(targets[step] ?? []).filter((to) => layers[to] === layer + 1)
        .flatMap((to) => known(own[to]))]);

  const above = (column: readonly Item[], at: number): number => {
    const batch = column[at]?.batch ?? null;
    return batch === null || column[at - 1]?.batch === batch ? 0 : BATCH_HEAD;
  };
  const tall = columns.map((column) => column.reduce((sum, item, at) =>
    sum + heightOf(item) + GAP_Y + above(column, at), -GAP_Y));
  const height = Math.max(0, ...tall);
  columns.forEach((column, layer) => {
    let y = EDGE + (height <= CENTRED_MAX ? Math.round((height - (tall[layer] ?? 0)) / 2) : 0);
    column.forEach((item, at) => {
      item.y = y + above(column, at);
      y = item.y + heightOf(item) + GAP_Y;
    });
  });

  const edges: Edge[] = [], count = sources.reduce((sum, { length }) => sum + length, 0);
  if (count <= EDGES_MAX) {
    sources.forEach((list, to) => list.forEach((from) => {
      const first = layers[from] ?? 0, end = layers[to] ?? 0;
      const middle = (step: number): number => (own[step]?.y ?? 0) + NODE.height / 2;
      let [x, y] = [xOf(first) + NODE.width, middle(from)], path = `M${x} ${y}`;
      for (let layer = first + 1; layer < end; layer++) {
        const lane = lanes.get(`${from} ${layer}`);
        if (lane === undefined) continue;
        const laneY = lane.y + LANE / 2;
        path += `${curve(x, y, xOf(layer), laneY)}H${xOf(layer) + NODE.width}`;
        [x, y] = [xOf(layer) + NODE.width, laneY];
      }
      edges.push({ from, to, path: path + curve(x, y, xOf(end), middle(to)) });
    }));
  }
  return {
    width: columns.length === 0 ? 0 : xOf(columns.length - 1) + NODE.width + EDGE,
    height: height + 2 * EDGE,
    nodes: columns.flatMap((column, layer) => column.flatMap(({ step, isLane, y }) =>
      (isLane ? [] : [{ at: step, layer, x: xOf(layer), y }]))),
    edges, groups: groupsOf(columns), cut: count > EDGES_MAX,
  };
}

/* --- How an edge is drawn --------------------------------------------------------------------- */

export type Tone = "out" | "chosen" | "done" | "open";

/** `out`: one of its ends does nothing. `chosen`: from a switch into the branch that it took. */
export function toneOf(from: Step, to: Step, byId: ReadonlyMap<string, Step>): Tone {
  if (isOut(from) || isOut(to)) return "out";
  if (to.branch?.switch === from.step_id && isChosen(to, byId) === true) return "chosen";
  return isSettled(from) ? "done" : "open";
}

/* --- From one step to the next, by keys ------------------------------------------------------- */

/** Where an arrow leads from the node at `now` of `layout.nodes`: up and down in its layer, left
 *  and right along an edge, else to the nearest one of the next layer. */
export function stepFrom(
  { nodes, edges }: Layout, now: number, key: "up" | "down" | "left" | "right"): number {
  const here = nodes[now];
  if (here === undefined) return nodes.length > 0 ? 0 : -1;
  const by = key === "down" || key === "right" ? 1 : -1;
  if (key === "up" || key === "down") {
    const next = nodes[now + by];
    return next === undefined || next.layer !== here.layer ? now : now + by;
  }
  const linked = new Set(edges.flatMap(({ from, to }) => (by > 0 ? from === here.at ? [to] : []
    : to === here.at ? [from] : [])));
  const far = ({ y }: Placed): number => Math.abs(y - here.y);
  const nearest = (list: Placed[]): Placed | undefined => list.reduce<Placed | undefined>(
    (best, one) => (best === undefined || far(one) < far(best) ? one : best), undefined);
  const along = nearest(nodes.filter(({ at }) => linked.has(at)));
  const found = along ?? nearest(nodes.filter(({ layer }) => layer === here.layer + by));
  return found === undefined ? now : nodes.indexOf(found);
}

/* --- A start ---------------------------------------------------------------------------------- */

/** The input of a start: a question, members of JSON, or both. null: the JSON is no object. */
export function inputOf(question: string, json: string): { input: unknown } | null {
  const words = question.trim(), given = json.trim();
  if (given === "") return { input: words === "" ? undefined : words };
  try {
    const value: unknown = JSON.parse(given);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
    return { input: words === "" ? value : { ...value, question: words } };
  } catch {
    return null;
  }
}
