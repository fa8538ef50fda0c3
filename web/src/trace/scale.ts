/** From time to a place on the axis and back, with idle time that may be collapsed. Pure. A time
 *  counts from the base of its node: the begin of its turn, or of the whole run. */
import type { Gap, Node, Tree } from "./tree.ts";

/** A time in which somebody was asked. */
export interface Asked { run: string; from: number; to: number | null }

type Interval = [from: number, to: number];

/** Shorter pauses than this, and than this share of the whole, are no idle time. */
const GAP_MS = 1000, GAP_SHARE = 0.02;
/** The place of a collapsed pause, as a share of the busy time, and how many there are at most. */
const GAP_PLACE = 0.02, GAPS_MAX = 20;

function union(intervals: Interval[]): Interval[] {
  const all: Interval[] = [];
  for (const [from, to] of intervals.sort((one, other) => one[0] - other[0])) {
    const last = all.at(-1);
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to);
    else all.push([from, to]);
  }
  return all;
}

function without([from, to]: Interval, [left, right]: Interval): Interval[] {
  const rest: Interval[] = [[from, Math.min(to, left)], [Math.max(from, right), to]];
  return left >= to || right <= from ? [[from, to]] : rest.filter(([a, b]) => b > a);
}

/** How long the longest axis is. While it grows it ends at a round number, so that bars stay. */
export function lengthOf(tree: Tree, now: number): number {
  let most = 1;
  for (const { start, end, base } of tree.nodes.values()) {
    most = Math.max(most, (end ?? Math.max(now, start)) - base);
  }
  if (!tree.live) return most;
  const power = 10 ** Math.floor(Math.log10(most));
  return power * ([1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((one) => one * power > most) ?? 12);
}

/** Where nothing was done, longest first at most `GAPS_MAX`, by time: no call was running, or those
 *  that were waited for a person. */
export function gapsOf(tree: Tree, asks: readonly Asked[], now: number): Gap[] {
  const busy: Interval[] = [], bases = new Map<string, number>();
  const waitsOf = (run: string, base: number): Interval[] =>
    asks.filter((ask) => ask.run === run).map(({ from, to }) => [from - base, (to ?? now) - base]);
  const mayWait = new Set(asks.map(({ run }) => run));
  let total = 0;
  for (const { span, start, end, base } of tree.nodes.values()) {
    if (span === null || span.step === null) continue;
    const all: Interval = [start - base, Math.max(start, end ?? now) - base];
    total = Math.max(total, all[1]);
    bases.set(span.run, base);
    busy.push(...span.kind !== "tool" || !mayWait.has(span.run) ? [all]
      : waitsOf(span.run, base).reduce((parts: Interval[], wait) =>
        parts.flatMap((part) => without(part, wait)), [all]));
  }
  const waits = [...bases].filter(([run]) => mayWait.has(run))
    .flatMap(([run, base]) => waitsOf(run, base));
  const gaps: Gap[] = [];
  let at = 0;
  const isYours = (from: number, to: number): boolean => waits.some(([left, right]) =>
    Math.min(right, to) - Math.max(left, from) > (to - from) / 2);
  const least = Math.max(GAP_MS, total * GAP_SHARE);
  for (const [from, to] of [...union(busy), [total, total] as Interval]) {
    if (from - at >= least) {
      gaps.push({ from: at, to: from, why: isYours(at, from) ? "you" : "idle" });
    }
    at = Math.max(at, to);
  }
  return gaps.sort((one, other) => other.to - other.from - (one.to - one.from)).slice(0, GAPS_MAX)
    .sort((one, other) => one.from - other.from);
}

export interface Scale {
  /** 0 to 1. */
  at(ms: number): number;
  time(place: number): number;
  segments: readonly { from: number; to: number; left: number; right: number; idle: boolean }[];
}

/** `gaps` are drawn with the same small width each, whatever they last. */
export function scaleOf(length: number, gaps: readonly Gap[]): Scale {
  const idle = gaps.reduce((sum, { from, to }) => sum + to - from, 0);
  const busy = Math.max(1, length - idle), place = busy * GAP_PLACE;
  const whole = busy + gaps.length * place;
  const segments: { from: number; to: number; left: number; right: number; idle: boolean }[] = [];
  let at = 0, left = 0;
  const add = (to: number, width: number, isIdle: boolean): void => {
    if (to > at) segments.push({ from: at, to, left, right: left + width / whole, idle: isIdle });
    if (to > at) left += width / whole;
    at = Math.max(at, to);
  };
  for (const gap of gaps) {
    add(gap.from, gap.from - at, false);
    add(gap.to, place, true);
  }
  add(length, length - at, false);
  const last = segments.length - 1;
  return {
    segments,
    at: (ms) => {
      let low = 0, high = last;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (segments[middle]!.to < ms) low = middle + 1;
        else high = middle;
      }
      const one = segments[low];
      if (one === undefined) return 0;
      const share = (ms - one.from) / (one.to - one.from);
      return one.left + Math.min(1, Math.max(0, share)) * (one.right - one.left);
    },
    time: (share) => {
      const one = segments.find(({ right }) => right >= share) ?? segments[last];
      if (one === undefined) return 0;
      const of = Math.min(1, Math.max(0, (share - one.left) / (one.right - one.left)));
      return one.from + of * (one.to - one.from);
    },
  };
}

const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000,
  ...[1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 720, 1440, 2880, 7200, 14_400].map((one) =>
    one * 60_000)];

/** The last part of the axis that begins no text, as a share of the distance of ticks. */
const EDGE = 0.3;

export interface Tick { place: number; ms: number; step: number }

/** Round times in the part of the axis that is seen, at most about `count` of them. */
export function ticksOf(scale: Scale, [left, right]: Interval, count: number): Tick[] {
  const seen = scale.segments.filter((one) => !one.idle && one.right > left && one.left < right);
  const wide = (right - left) / count;
  const busy = seen.reduce((sum, { from, to }) => sum + to - from, 0);
  const share = seen.reduce((sum, one) => sum + one.right - one.left, 0);
  const wanted = share === 0 ? 1 : (busy / share) * wide;
  const step = STEPS.find((one) => one >= wanted) ?? wanted;
  const ticks: Tick[] = [];
  for (const { from, to } of seen) {
    const first = Math.max(from, scale.time(Math.max(0, left)));
    const end = Math.min(to, scale.time(Math.min(1, right)));
    for (let ms = Math.ceil(first / step) * step; ms <= end; ms += step) {
      const before = ticks.at(-1), place = scale.at(ms);
      if (place > right - wide * EDGE) break; // Its text would be cut.
      if (before === undefined || place - before.place >= wide * 0.9) {
        ticks.push({ place, ms, step });
      }
    }
  }
  return ticks;
}

/** What is seen of the axis: its left end, and how many times it is enlarged. */
export interface Zoom { left: number; factor: number }
export const FIT: Zoom = { left: 0, factor: 1 };
const FACTOR_MAX = 50_000; // Browsers know no places beyond some 30 million pixels.

const kept = (left: number, factor: number): number => Math.min(1 - 1 / factor, Math.max(0, left));

/** The place `at` (0 to 1 of what is seen) stays where it is. */
export function zoomed({ left, factor }: Zoom, by: number, at: number): Zoom {
  const next = Math.min(FACTOR_MAX, Math.max(1, factor * by));
  return { left: kept(left + at / factor - at / next, next), factor: next };
}

/** `by` is a share of what is seen. */
export const panned = ({ left, factor }: Zoom, by: number): Zoom =>
  ({ left: kept(left + by / factor, factor), factor });

/** Place and length of a node on the axis, each 0 to 1. */
export function placeOf(scale: Scale, { start, end, base }: Node, now: number): Interval {
  const left = scale.at(start - base), right = scale.at(Math.max(start, end ?? now) - base);
  return [left, right - left];
}
