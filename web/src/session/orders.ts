/** Commands that may be typed into the composer: those of `drover chat` that change a session. */
import { patch, post } from "../api/api.ts";
import type { Session } from "../api/types.ts";
import { lastIndexOf } from "../state/arrays.ts";
import type { Message } from "../state/message.ts";
import { words as shared } from "../words.ts";
import type { Offer } from "./flows.ts";
import { programOf } from "./text.ts";
import { words } from "./words.ts";

interface Order {
  about: string;
  /** Its path and body; a sentence: why it cannot be. */
  of(session: Session, words: string, messages: Message[]):
    { path: string; body?: object } | string;
}

const ORDERS = new Map<string, Order>([
  ["clear", { about: words.orders.clear, of: ({ id }) => ({ path: `/sessions/${id}/clear` }) }],
  ["compact", {
    about: words.orders.compact, of: ({ id }) => ({ path: `/sessions/${id}/compact` }),
  }],
  ["model", {
    about: words.orders.model,
    of: (session, model) => (programOf(session) !== null ? words.keepsModel
      : model === "" ? words.whichModel : { path: `/sessions/${session.id}`, body: { model } }),
  }],
  ["retry", {
    about: words.orders.retry,
    of: (_, __, messages) => {
      const last = messages[lastIndexOf(messages, ({ role }) => role === "assistant")];
      return last === undefined ? words.noAnswer : { path: `/messages/${last.id}/regenerate` };
    },
  }],
]);

export const orderOffers: Offer[] = [...ORDERS].map(([name, { about }]) =>
  ({ kind: "order", name, description: about }));

/** null: there is no such command. Else what there is to say; "": it was done. */
export async function ordered(
  session: Session, name: string, rest: string, messages: Message[]): Promise<string | null> {
  const order = ORDERS.get(name)?.of(session, rest, messages);
  if (order === undefined) return null;
  if (typeof order === "string") return order;
  const { path, body } = order;
  const answer = await (body === undefined ? post(path, {}) : patch(path, body));
  return answer.ok ? "" : shared.problem(answer.problem);
}
