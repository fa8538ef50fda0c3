/** Messages above the composer: those on their way, and those that wait to be answered. */
import { useComputed } from "@preact/signals";

import { post, remove } from "../api/api.ts";
import { visible } from "../parts/visible.ts";
import { useNamed } from "../router/router.ts";
import { may } from "../state/me.ts";
import type { Message } from "../state/message.ts";
import { words as shared } from "../words.ts";
import type { Opened } from "./open.ts";
import type { Letter, Outbox } from "./outbox.ts";
import { plain } from "./text.ts";
import { words } from "./words.ts";

interface QueueProps {
  opened: Opened;
  outbox: Outbox;
  edit(message: Message): void;
  write(letter: Letter): void;
  say(text: string): void;
}

export function Queue({ opened, outbox, edit, write, say }: QueueProps) {
  const { state } = opened, named = useNamed();
  const queued = useComputed(() => {
    const known = new Map(state.value.messages.map((message) => [message.id, message]));
    return state.value.queue.flatMap((id) => known.get(id) ?? []);
  });
  const letters = useComputed(() => {
    const there = new Set(state.value.messages.map(({ client_id }) => client_id));
    return outbox.letters.value.filter(({ client_id }) => !there.has(client_id));
  });
  const call = async (answer: ReturnType<typeof remove>): Promise<void> => {
    const { ok, ...rest } = await answer;
    if (!ok && "problem" in rest) say(shared.problem(rest.problem));
  };
  if (queued.value.length + letters.value.length === 0) return null;
  return (
    <section class="queue" aria-label={named(words.queue)}>
      <ol>
        {queued.value.map((message) => (
          <li key={message.id}>
            <span class="clip" dir="auto">{visible(plain(message).slice(0, 300))}</span>
            {!may("run") || message.role !== "user" ? null : (
              <span class="acts">
                <button class="quiet" onClick={() => edit(message)}>{words.edit}</button>
                <button class="quiet"
                  onClick={() => void call(post(`/messages/${message.id}/send_now`, {}))}>
                  {words.sendNow}
                </button>
                <button class="quiet"
                  onClick={() => void call(remove(`/messages/${message.id}`))}>
                  {words.remove}
                </button>
              </span>
            )}
          </li>
        ))}
        {letters.value.map((letter) => (
          <li key={letter.client_id}>
            <span class="clip" dir="auto">{visible(letter.text.slice(0, 300))}</span>
            {letter.refused === null ? <span class="muted">{words.unsent}</span> : (
              <>
                <span class="tone-fail why">
                  ✕ {words.refused}. {shared.problem(letter.refused)}
                </span>
                <span class="acts">
                  <button class="quiet" onClick={() => outbox.again(letter.client_id)}>
                    {words.again}
                  </button>
                  <button class="quiet" onClick={() => write(letter)}>{words.edit}</button>
                  <button class="quiet" onClick={() => outbox.drop(letter.client_id)}>
                    {words.remove}
                  </button>
                </span>
              </>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}
