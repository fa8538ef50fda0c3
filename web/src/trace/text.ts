/** Numbers, shapes and colours of a trace. All are pure. */
import { stateMark, type StateMark } from "../parts/mark.ts";
import type { Asking } from "./follow.ts";
import type { Node, Span, Sums } from "./tree.ts";
import { isError } from "./tree.ts";

/** A call begins this soon after it was allowed. */
const ASK_NEAR_MS = 2000;

const two = (value: number): string => String(value).padStart(2, "0");

/** 340 ms, 2.8 s, 41 s, 4 m 12, 1 h 02 */
export function lasting(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000), minutes = Math.floor(seconds / 60);
  if (seconds < 60) return `${seconds} s`;
  if (minutes < 60) return `${minutes} m ${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)}`;
}

/** A time on the axis, as exact as the distance of its neighbours. */
export function tickText(ms: number, step: number): string {
  if (ms === 0) return "0";
  if (step < 1000 && ms >= 1000 && ms < 60_000) {
    return `${(ms / 1000).toFixed(step % 100 === 0 ? 1 : step % 10 === 0 ? 2 : 3)} s`;
  }
  if (step < 1000 && ms >= 60_000) {
    return `${Math.floor(ms / 60_000)} m ${((ms % 60_000) / 1000).toFixed(step < 100 ? 2 : 1)}`;
  }
  const seconds = Math.round(ms / 1000);
  if (ms >= 60_000 && seconds % 60 === 0 && step >= 60_000 && ms < 3_600_000) {
    return `${seconds / 60} m`;
  }
  return ms < 60_000 && ms >= 1000 ? `${seconds} s` : lasting(ms);
}

export const percentOf = ({ read, cached }: Pick<Sums, "read" | "cached">): number =>
  (read === 0 ? 0 : Math.round((100 * cached) / read));

export const cacheTone = (percent: number): string =>
  (percent >= 60 ? "cached" : percent >= 30 ? "degraded" : "fail");

/** Of a step; what stands above steps has none, and a timer lasts as long as it shall. */
export const latencyTone = ({ span }: Node, ms: number): string =>
  (span === null || span.step === null || span.kind === "timer" ? "" : ms < 1000 ? "tone-ok"
    : ms < 5000 ? "tone-degraded" : "tone-fail");

/** A call that is pending goes on in the background. */
export const shapeOf = (state: string): StateMark =>
  stateMark(state === "pending" ? "running" : state);

export function barOf(node: Node): string {
  if (node.span !== null && isError(node.span)) return "bar-fail";
  return node.end === null || node.span?.kind === "model" ? "bar-model" : "bar-tool";
}

/** The question that was asked before this call: the last one of its tool and run. */
export function askOf(asks: readonly Asking[], span: Span): Asking | undefined {
  if (span.kind !== "tool") return undefined;
  const end = span.end ?? Infinity;
  return asks.filter(({ run, tool, asked_ms }) =>
    run === span.run && tool === span.name && asked_ms <= end)
    .sort((one, other) => other.asked_ms - one.asked_ms)
    .find(({ answered_ms }) => answered_ms === null || answered_ms >= span.start - ASK_NEAR_MS);
}
