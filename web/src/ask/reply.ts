/** What answers a question that is shown, unless it must not be answered now. */
import { useComputed } from "@preact/signals";

import { answerAsk, asks, connected, type Ask, type Reply } from "../state/asks.ts";
import { useGrace } from "./grace.ts";

export interface Replying {
  /** There is no connection, or an answer is on its way. */
  off: boolean;
  reply(event: Event, given: Reply): void;
}

export function useReply(ask: Ask): Replying {
  const isSteady = useGrace(ask);
  // By itself, so that an answer to one of many draws that one.
  const off = useComputed(() => !connected.value || asks.value.sending.has(ask.id)).value;
  return {
    off,
    reply: (event, given) => {
      if (!off && isSteady(event)) void answerAsk(ask, given);
    },
  };
}
