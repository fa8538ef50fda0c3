/** What the view reads of the daemon: at first, after a new connection, and when somebody asks. */
import { useEffect, useRef, useState } from "preact/hooks";

import { get, type Answer, type Problem } from "../api/api.ts";
import type { Agent, Page, Ready, Version } from "../api/types.ts";
import { link } from "../state/live.ts";
import { held } from "../state/system.ts";

/** The daemon says it to everybody, outside of the API: 503 has why it takes no work. */
export async function readyRead(): Promise<{ ready: Ready | null; stuck: string | null }> {
  try {
    const answer = await fetch("/readyz", { credentials: "omit" });
    const value = await answer.json() as Ready & { title?: string; detail?: string };
    return answer.ok ? { ready: value, stuck: null }
      : { ready: null, stuck: value.detail ?? value.title ?? "" };
  } catch {
    return { ready: null, stuck: null };
  }
}

export interface State {
  version: Version | null; ready: Ready | null; stuck: string | null; agents: Agent[];
  problem: Problem | null;
}

/** null: not read yet. */
export function useDaemon(turn: number): State | null {
  const [state, stateSet] = useState<State | null>(null);
  useRead(async () => {
    const [version, ready, agents] = await Promise.all([
      get<Version>("/version"), readyRead(), get<Page<Agent>>("/agents?limit=200"),
    ]);
    return () => stateSet({
      ...ready, version: version.ok ? version.value : null,
      agents: agents.ok ? agents.value.items : [],
      problem: version.ok ? null : version.problem,
    });
  }, [turn, held.value !== null]);
  return state;
}

/** Calls it now, and again when the daemon is connected anew or `when` is another; what an older
 *  call gives is dropped. */
export function useRead(call: () => Promise<() => void>, when: readonly unknown[]): void {
  const latest = useRef(call);
  latest.current = call;
  const isOpen = link.value?.phase === "open";
  useEffect(() => {
    let isOver = false;
    void latest.current().then((set) => {
      if (!isOver) set();
    });
    return () => void (isOver = true);
  }, [isOpen, ...when]);
}

export interface Known<T> { value: T | null; problem: Problem | null }

export function useGet<T>(path: string, when: readonly unknown[]): Known<T> {
  const [known, knownSet] = useState<Known<T>>({ value: null, problem: null });
  useRead(async () => {
    const answer: Answer<T> = await get<T>(path);
    return () => knownSet(answer.ok ? { value: answer.value, problem: null }
      : { value: null, problem: answer.problem });
  }, [path, ...when]);
  return known;
}
