/** What a row of the desk says, and where it leads. Pure. */
import type { Wait } from "../api/types.ts";
import { words as all } from "../words.ts";
import { clockTime } from "./text.ts";
import { visible } from "./visible.ts";

const words = all.waits;

/** Where it is decided; null: here. */
export function placeOfWait({ kind, id }: Wait): string | null {
  switch (kind) {
    case "mail": return `/inbox/mail/${id}`;
    case "budget": return "/usage";
    case "agent": return `/agents?agent=${encodeURIComponent(id)}`;
    case "delivery": return null;
    default: return `/t/${id}`;
  }
}

export function headlineOf(wait: Wait): string {
  const name = visible(wait.name ?? ""), text = visible(wait.text ?? "");
  switch (wait.kind) {
    case "question": return visible(wait.about ?? text);
    case "plan": return words.plan(text);
    case "review": return words.review(text);
    case "stopped": return words.stopped(text);
    case "task_failed": return words.taskFailed(text);
    case "delivery": return words.delivery(name);
    case "budget": return words.budget(name, wait.runs ?? 0);
    case "agent": return words.agent(name, clockTime(wait.until_ms ?? 0));
    default: return name;
  }
}

/** Which task, by whom, why. */
export function factsOf({ kind, name, text, about, by }: Wait): string[] {
  const isTask = !["mail", "budget", "agent", "delivery"].includes(kind);
  const who = by === null ? null : kind === "mail" ? words.from(visible(by)) : visible(by);
  return [
    isTask ? name : null,
    kind === "question" ? text : null,
    who,
    kind === "question" || kind === "plan" || kind === "review" ? null : about,
  ].flatMap((fact) => (fact === null ? [] : [visible(fact)]));
}
