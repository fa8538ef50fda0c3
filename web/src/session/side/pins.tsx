/** The bar above a conversation: its pinned messages. */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";

import { get, type Problem } from "../../api/api.ts";
import { visible, beginning } from "../../parts/visible.ts";
import { useNamed, useSeat } from "../../router/router.ts";
import { followOwner } from "../../state/owner.ts";
import { Trouble } from "../../parts/trouble.tsx";
import { concerns } from "./fold.ts";
import { pinned, pinsChange, pinsRead } from "./pins.ts";
import { words } from "./words.ts";

interface Message { parts: { kind: string; text: string }[] }

const TEXT_MAX = 200;
const texts = signal<Readonly<Record<string, string>>>({});

async function textRead(message: string): Promise<void> {
  const answer = await get<Message>(`/messages/${message}`);
  if (!answer.ok && answer.problem.status !== 404) return;
  const text = !answer.ok ? words.pinGone
    : answer.value.parts.find(({ kind, text }) => kind === "text" && text !== "")?.text;
  texts.value = { ...texts.value, [message]: beginning(text ?? words.pinEmpty, TEXT_MAX) };
}

export function Pins({ session, onGo }: { session: string; onGo(message: string): void }) {
  const seat = useSeat(), named = useNamed(), pins = pinned(seat, session);
  const [problem, problemSet] = useState<Problem | null>(null);
  useEffect(() => followOwner({
    onReset: () => void pinsRead(session),
    onEvents: (events) => {
      const none = new Set<string>();
      const news = events.filter(({ type }) => type === "session_changed");
      if (news.some((event) => concerns(session, none, event))) void pinsRead(session);
    },
  }), [session]);
  useEffect(() => {
    for (const pin of pins) if (!(pin in texts.value)) void textRead(pin);
  }, [pins.join()]);
  if (pins.length === 0) return null;
  return (
    <section class="side-pins" aria-label={named(words.pinned)}>
      {pins.map((pin) => (
        <div key={pin} class="side-pin">
          <span class="muted">{words.pinnedMessage}</span>
          <span class="clip" dir="auto">
            {visible(texts.value[pin] ?? "…").replaceAll("\n", " ")}
          </span>
          <button class="quiet" onClick={() => onGo(pin)}>{words.jump}</button>
          <button class="quiet" onClick={() => void pinsChange(seat, session, (all) =>
            all.filter((one) => one !== pin)).then(problemSet)}>{words.unpin}</button>
        </div>
      ))}
      <Trouble problem={problem} />
    </section>
  );
}
