/** The last step: a first message, which opens its session. */
import { useState } from "preact/hooks";

import { post, type Problem } from "../api/api.ts";
import { Trouble } from "../parts/trouble.tsx";
import { useSeat } from "../router/router.ts";
import { words } from "./words.ts";

/** null: it is the only step. */
interface StepProps { model: string; number: number | null }

export function MessageStep({ model, number }: StepProps) {
  const { go } = useSeat();
  const [text, textSet] = useState("");
  const [busy, busySet] = useState(false);
  const [problem, problemSet] = useState<Problem | null>(null);
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (text.trim() === "" || busy) return;
    busySet(true);
    const session = await post<{ id: string }>("/sessions", { model });
    const sent = session.ok
      ? await post(`/sessions/${session.value.id}/messages`, { text }) : session;
    busySet(false);
    if (session.ok && sent.ok) go(`/s/${session.value.id}`);
    else if (!sent.ok) problemSet(sent.problem);
  };
  return (
    <section class="step">
      <div class="head">
        <h2>{number === null ? words.stepMessage : words.step(number, words.stepMessage)}</h2>
      </div>
      <form class="fields" onSubmit={(event) => void send(event)}>
        <label>{words.message}
          <textarea rows={3} dir="auto" placeholder={words.messageHint} value={text}
            onInput={(event) => textSet(event.currentTarget.value)} />
        </label>
        <Trouble problem={problem} />
        <p><button class="main" disabled={busy || text.trim() === ""}>{words.send}</button></p>
      </form>
    </section>
  );
}
