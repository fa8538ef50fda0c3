/** Orders and widths. Pure. */
import { WIDE_MIN } from "../../router/panes.ts";

export function moved<T>(list: readonly T[], from: number, to: number): T[] {
  const rest = list.filter((_, at) => at !== from);
  return [...rest.slice(0, to), ...list.slice(from, from + 1), ...rest.slice(to)];
}

/** Equal widths whose sum is 100. */
export const evenly = (count: number): number[] =>
  Array.from({ length: count }, (_, at) =>
    Math.floor((100 * (at + 1)) / count) - Math.floor((100 * at) / count));

/** The line behind a pane goes so many percent to the right: its neighbour gives what it gets. */
export function resized(wide: readonly number[], at: number, by: number): number[] {
  const mine = wide[at] ?? 0, next = wide[at + 1] ?? 0;
  const most = Math.max(mine, mine + next - WIDE_MIN), least = Math.min(mine, WIDE_MIN);
  const now = Math.round(Math.min(most, Math.max(least, mine + by)));
  return wide.map((one, index) =>
    (index === at ? now : index === at + 1 ? mine + next - now : one));
}

/** The gap that is nearest to a place, by the middles of the panes from left to right. */
export const gapOf = (x: number, middles: readonly number[]): number =>
  middles.filter((middle) => middle < x).length;

/** The index that a pane has once it stands in that gap. */
export const indexIn = (gap: number, from: number): number => (gap > from ? gap - 1 : gap);
