/** What answers a question that is shown, unless it must not be answered now: it came too soon, or
 *  its text was not in view yet (`parts/reading.ts`). */
import { signal, useComputed } from "@preact/signals";

import type { Ask } from "../api/types.ts";
import { isShown } from "../parts/reading.tsx";
import { yesTo } from "../parts/reading.ts";
import { answerAsk, asks, connected, isOpen, type Reply } from "../state/asks.ts";
import { useGrace } from "./grace.ts";
import { textOf } from "./text.ts";

/** The id of a question that an answer came too soon for. */
export const tooSoon = signal<string | null>(null);

export interface Replying {
  /** There is no connection, or an answer is on its way. */
  off: boolean;
  /** False: this is a yes to a text that stands nowhere on the page, and somebody must show it. */
  reply(event: Event, given: Reply): boolean;
}

const isNo = (given: Reply): boolean => "decision" in given && given.decision === "deny";

export function useReply(ask: Ask | null): Replying {
  const isSteady = useGrace(ask);
  // By itself, so that an answer to one of many draws that one.
  const off = useComputed(() =>
    !connected.value || (ask !== null && asks.value.sending.has(ask.id))).value;
  const reply = (event: Event, given: Reply): boolean => {
    if (ask === null || off || !isOpen(ask)) return true;
    const steady = isSteady(event);
    tooSoon.value = steady ? null : ask.id;
    if (!steady) return true;
    if (!isNo(given) && !yesTo(textOf(ask))) return isShown(textOf(ask));
    void answerAsk(ask, given);
    return true;
  };
  return { off, reply };
}
