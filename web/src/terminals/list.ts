/** The terminals of the owner, read again whenever one of them or its job changes. */
import { get } from "../api/api.ts";
import type { Page, NamedTerminal } from "../api/types.ts";
import { useRead, type Read } from "../state/read.ts";
import type { StreamEvent } from "../stream/index.ts";

const READ_MS = 100;

/** Pure: whether an event changes what is shown. */
export function concerns({ type, data }: StreamEvent, items: readonly NamedTerminal[]): boolean {
  if (type === "terminal_changed") return true;
  return type === "run_changed" && items.some(({ run }) => run === (data as { id?: string }).id);
}

/** As tabs: the newest is the last. */
export const useTerminals = (): Read<NamedTerminal[]> =>
  useRead<NamedTerminal[]>("/terminals", {
    from: async () => {
      const answer = await get<Page<NamedTerminal>>("/terminals?limit=100");
      return answer.ok ? { ok: true, value: answer.value.items.reverse() } : answer;
    },
    after: (event, items) => concerns(event, items ?? []), pause_ms: READ_MS,
  });
