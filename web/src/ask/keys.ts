/** a and d answer the question that is selected; 1 to 9 choose. */
import type { Ask } from "../api/types.ts";
import { useSeat } from "../router/router.ts";
import { useKeys } from "../shell/keys.ts";
import { isOpen, type Reply } from "../state/asks.ts";
import { may } from "../state/me.ts";
import { useReply } from "./reply.ts";
import { choicesOf, isYesNo } from "./text.ts";
import { words } from "./words.ts";

export interface AskKeysWish {
  /** Gets what no single yes or no answers: a form, a text that is shown nowhere, several
   *  questions. Default: the question is opened. */
  other?(decision: "allow" | "deny"): void;
}

export function useAskKeys(ask: Ask | null, { other }: AskKeysWish = {}): void {
  const { go } = useSeat(), { reply } = useReply(ask);
  const elsewhere = (decision: "allow" | "deny"): void => {
    if (other !== undefined) other(decision);
    else if (ask !== null && isOpen(ask)) go(`/inbox/${ask.id}`);
  };
  const give = (event: KeyboardEvent, given: Reply): void => {
    if (!event.repeat && !reply(event, given)) elsewhere("allow");
  };
  const decide = (decision: "allow" | "deny") => (event: KeyboardEvent): void => {
    if (event.repeat || !may("approve")) return;
    if (ask !== null && (decision === "deny" || isYesNo(ask))) give(event, { decision });
    else elsewhere(decision);
  };
  const choices = ask !== null && may("approve") ? choicesOf(ask).slice(0, 9) : [];
  useKeys([
    { name: "allow", run: decide("allow") },
    { name: "deny", run: decide("deny") },
    ...choices.map((choice, at) => ({
      key: String(at + 1), ...(at === 0 && { about: words.choose }),
      run: (event: KeyboardEvent) => give(event, choice.reply),
    })),
  ]);
}
