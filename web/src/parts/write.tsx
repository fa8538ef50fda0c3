/** A text that is written in its place, kept in the browser until it was sent. */
import type { RefObject } from "preact";
import { useState } from "preact/hooks";

import type { Problem } from "../api/api.ts";
import { draftKeep, draftOf } from "../state/draft.ts";
import { Trouble } from "./trouble.tsx";

const LINES = 3;

export function Write({ of, label, about, send, field, submit, empty = false }: {
  /** What the draft is of. */
  of: string; label: string; about: string; send: string;
  field?: RefObject<HTMLTextAreaElement>;
  submit(text: string): Promise<Problem | null>;
  /** Whether it may be sent without a text. */
  empty?: boolean;
}) {
  const [text, textSet] = useState(() => draftOf(of));
  const [problem, problemSet] = useState<Problem | null>(null), [busy, busySet] = useState(false);
  const typed = (value: string): void => {
    draftKeep(of, value, text);
    textSet(value);
  };
  const sent = async (event?: Event): Promise<void> => {
    event?.preventDefault();
    if (busy || (!empty && text.trim() === "")) return;
    busySet(true);
    const refused = await submit(text.trim());
    busySet(false);
    problemSet(refused);
    if (refused !== null) return;
    draftKeep(of, "", text);
    textSet((now) => (now === text ? "" : now)); // What was typed meanwhile stays.
  };
  return (
    <form class="write" onSubmit={(event) => void sent(event)}>
      <label>
        <span class="hidden">{label}</span>
        <textarea ref={field} rows={LINES} dir="auto" value={text} placeholder={about}
          onInput={({ currentTarget }) => typed(currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void sent(event);
          }} />
      </label>
      <button disabled={busy || (!empty && text.trim() === "")}>{send}</button>
      <Trouble problem={problem} />
    </form>
  );
}
