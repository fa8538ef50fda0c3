/** a and d answer the question that is selected; 1 to 9 choose. */
import { signal } from "@preact/signals";

import { useSeat } from "../router/router.ts";
import { useKeys } from "../shell/keys.ts";
import { answerAsk, isOpen, type Ask, type Reply } from "../state/asks.ts";
import { may } from "../state/me.ts";
import { useGrace } from "./grace.ts";
import { choicesOf, fitsRow, isYesNo } from "./text.ts";
import { words } from "./words.ts";

/** The id of a question that a key came too soon for. */
export const tooSoon = signal<string | null>(null);

export interface AskKeysWish {
  /** Whether all of the question is on the screen: else no yes is given. Default: if a row shows
   *  all of it. */
  isRead?(ask: Ask): boolean;
  /** Gets what no single yes or no answers: a form, a text that is not read, several questions.
   *  Default: the question is opened. */
  other?(decision: "allow" | "deny"): void;
}

export function useAskKeys(ask: Ask | null, { isRead, other }: AskKeysWish = {}): void {
  const { go } = useSeat(), isSteady = useGrace(ask);
  const reply = (event: KeyboardEvent, given: Reply): void => {
    if (ask === null || !isOpen(ask) || event.repeat) return;
    const steady = isSteady(event);
    tooSoon.value = steady ? null : ask.id;
    if (steady) void answerAsk(ask, given);
  };
  const read = ask !== null && (isRead ?? fitsRow)(ask);
  const decide = (decision: "allow" | "deny") => (event: KeyboardEvent): void => {
    if (event.repeat || !may("approve")) return;
    const isOne = ask !== null && (decision === "deny" || (isYesNo(ask) && read));
    if (isOne) reply(event, { decision });
    else if (other !== undefined) other(decision);
    else if (ask !== null && isOpen(ask)) go(`/inbox/${ask.id}`);
  };
  const choices = ask !== null && read && may("approve") ? choicesOf(ask).slice(0, 9) : [];
  useKeys([
    { name: "allow", run: decide("allow") },
    { name: "deny", run: decide("deny") },
    ...choices.map((choice, at) => ({
      key: String(at + 1), ...(at === 0 && { about: words.choose }),
      run: (event: KeyboardEvent) => reply(event, choice.reply),
    })),
  ]);
}
