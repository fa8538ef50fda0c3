/** The marks of the scrubber: events in buckets of the same number, in their order. Pure. */
import type { StreamEvent } from "../stream/index.ts";

export interface Mark {
  /** Numbers of its first and last event. */
  from: number; to: number;
  /** Most agents that were at work at once, as a share of the most of the whole run. */
  height: number;
  kind: "ask" | "failure" | null;
}

const isFailure = ({ type, data }: StreamEvent): boolean => {
  const { state } = data as { state?: string };
  return type.endsWith("_finished") && state !== undefined &&
    !["succeeded", "degraded", "cancelled", "fired", "cleared"].includes(state);
};

export function marksOf(events: readonly StreamEvent[], most: number): Mark[] {
  const each = Math.max(1, Math.ceil(events.length / most)), marks: Mark[] = [];
  let busy = 0;
  for (const [at, event] of events.entries()) {
    const { type, seq, data } = event;
    if (type === "agent_started") busy++;
    if (type === "agent_finished" && busy > 0) busy--;
    if (at % each === 0) marks.push({ from: seq, to: seq, height: 0, kind: null });
    const mark = marks[marks.length - 1] as Mark;
    mark.to = seq;
    mark.height = Math.max(mark.height, busy);
    if (isFailure(event)) mark.kind = "failure";
    else if (type === "agent_waiting" && (data as { state?: string }).state === "open") {
      mark.kind ??= "ask";
    }
  }
  const high = Math.max(1, ...marks.map(({ height }) => height));
  for (const mark of marks) mark.height /= high;
  return marks;
}
