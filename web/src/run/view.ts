/** What the parts of the view share: the run, which of its views is shown, and which agent. */
import { createContext } from "preact";
import { useContext, useRef } from "preact/hooks";

import { post, type Problem } from "../api/api.ts";
import { stateMark, type StateMark } from "../parts/mark.ts";
import { beginning, visible } from "../parts/visible.ts";
import type { Seat } from "../router/router.ts";
import type { Agent, RunState } from "./fold.ts";
import { isBad } from "./layout.ts";
import type { Opened } from "./open.ts";
import { words } from "./words.ts";

export const OpenedContext = createContext<Opened | null>(null);

export function useOpened(): Opened {
  const opened = useContext(OpenedContext);
  if (opened === null) throw new Error("there is no run here");
  return opened;
}

/** Gives an order to a run, `/runs/ID/stop`; while that is under way, the same one is ignored. */
export function useOrder(
  onTrouble: (problem: Problem | null) => void): (path: string) => Promise<void> {
  const sent = useRef(new Set<string>());
  return async (path) => {
    if (sent.current.has(path)) return;
    sent.current.add(path);
    const answer = await post(path, {});
    sent.current.delete(path);
    onTrouble(answer.ok ? null : answer.problem);
  };
}

export const VIEWS = ["tree", "gantt", "script", "log", "result"] as const;
export type ViewName = (typeof VIEWS)[number];
export const viewOf = ({ query }: Seat): ViewName =>
  VIEWS.find((one) => one === query.value.get("view")) ?? "gantt";

/** The inspector is a sheet over all of it. */
export const NARROW_PX = 700;
export const isNarrow = ({ width }: Seat): boolean => width.value <= NARROW_PX;

export const agentAt = ({ agents }: RunState, id: string): Agent | undefined =>
  agents.get(id) ?? [...agents.values()].find(({ run }) => run === id);

const NAME_MAX = 80;
/** Its label; of one without, the beginning of its prompt. */
export function nameOf({ label, prompt }: { label: string | null; prompt?: string }): string {
  const name = label ?? (prompt ?? "").trim().split("\n", 1)[0] ?? "";
  return visible(beginning(name === "" ? words.noLabel : name, NAME_MAX));
}

/** Shape and colour of an agent: as everywhere, but what is cached has its own. */
export function markOf(
  agent: Pick<Agent, "state" | "cached" | "ended_ms">): StateMark {
  if (agent.cached) return ["▒", "cached"];
  if (isBad(agent)) return agent.state === "timed_out" ? ["⏱", "fail"] : ["✕", "fail"];
  return agent.state === "retrying" ? ["◔", "degraded"] : stateMark(agent.state);
}


/** Shows an agent; on a phone it is a place of its own, which Back leaves. */
export function inspect(seat: Seat, id: string | null): void {
  const before = seat.query.peek().get("agent");
  if (id === before) return;
  if (id === null || before !== null || !isNarrow(seat)) return seat.setQuery("agent", id);
  const query = new URLSearchParams(seat.query.peek());
  query.set("agent", id);
  seat.go(`${seat.path.peek()}?${query}`);
}
