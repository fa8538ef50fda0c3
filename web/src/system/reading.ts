/** What the view reads of the daemon: at first, after a new connection, and when somebody asks. */
import { get, type Problem } from "../api/api.ts";
import type { Agent, Page, Ready, Version } from "../api/types.ts";
import { link } from "../state/live.ts";
import { useRead, type Read } from "../state/read.ts";
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

/** Whether another connection was opened: what was read before it may be old. */
const isOpen = (): boolean => link.value?.phase === "open";

/** null: not read yet. */
export const useDaemon = (turn: number): State | null => useRead<State>("", { from: async () => {
  const [version, ready, agents] = await Promise.all([
    get<Version>("/version"), readyRead(), get<Page<Agent>>("/agents?limit=200"),
  ]);
  return { ok: true, value: {
    ...ready, version: version.ok ? version.value : null,
    agents: agents.ok ? agents.value.items : [], problem: version.ok ? null : version.problem,
  } };
} }, [isOpen(), turn, held.value !== null]).value;

export const useGet = <T>(path: string, turn: number, more: unknown = null): Read<T> =>
  useRead<T>(path, {}, [isOpen(), turn, more]);
