/** Something that was started in the background has ended: what a model reads about it, for people.
 */
import { Bounded } from "../parts/bounded.tsx";
import { causeText } from "../parts/cause.ts";
import { State } from "../parts/state.tsx";
import { visible } from "../parts/visible.ts";
import type { Message } from "../state/message.ts";
import { useOpen } from "./talk.ts";
import { plain } from "./text.ts";
import { words } from "./words.ts";

interface Ended { run?: string; kind?: string; label?: string; state?: string; cause?: string }

/** Where a run of that kind has a page. */
const PLACES: Record<string, string> = { job: "j", workflow: "r", flow: "r" };

/** The text has a sentence, and then each run as JSON in a line of its own. */
export function endedOf(text: string): Ended[] {
  return text.split("\n").flatMap((line) => {
    if (!line.startsWith("{")) return [];
    try {
      return [JSON.parse(line) as Ended];
    } catch {
      return []; // Cut, or no JSON: the text is shown.
    }
  });
}

export function Notice({ message }: { message: Message }) {
  const [open, openSet] = useOpen(`${message.id}/notice`, false);
  const text = plain(message);
  return (
    <div class="notice">
      <button class="bare sum" aria-expanded={open} onClick={() => openSet(!open)}>
        <span aria-hidden="true">{open ? "▾" : "▸"}</span>{words.ended}
      </button>
      <ul>
        {endedOf(text).map(({ run, kind, label, state = "", cause }, at) => (
          <li key={at}>
            <State state={state} {...(causeText(cause) && { about: causeText(cause) })} />
            <span class="mono clip" dir="auto">{visible(String(label ?? kind ?? ""))}</span>
            {typeof run === "string" && PLACES[kind ?? ""] !== undefined
              ? <a href={`/${PLACES[kind ?? ""]}/${encodeURIComponent(run)}`}>{words.openIt}</a>
              : null}
          </li>
        ))}
      </ul>
      {open ? <div class="said small" dir="auto"><Bounded text={text} /></div> : null}
    </div>
  );
}
