/** The session that this one was forked from, and its forks. */
import { useEffect, useState } from "preact/hooks";

import { get } from "../../api/api.ts";
import type { Page, Session } from "../../api/types.ts";
import { when } from "../../parts/text.ts";
import { visible } from "../../parts/visible.ts";
import { now } from "../../state/clock.ts";
import { followOwner } from "../../state/owner.ts";
import { words } from "./words.ts";

interface Family { of: Session | null; forks: Session[]; more: boolean }

const SHOWN = 50;
const NEWS_MS = 500;

/** Whether it may be news of the family: events have the message of a fork, not its session. */
const isNews = (data: unknown): boolean =>
  (data as { forked_from?: string | null }).forked_from != null;

async function familyRead(session: string): Promise<Family | null> {
  const [own, forks] = await Promise.all([
    get<Session>(`/sessions/${session}`),
    get<Page<Session>>(`/sessions?fork_of=${session}&limit=${SHOWN}`),
  ]);
  if (!own.ok || !forks.ok) return null; // The parts beside it say what is wrong.
  const from = own.value.fork_of;
  const of = from === null ? null : await get<Session>(`/sessions/${from}`);
  const { items, next } = forks.value;
  return { of: of?.ok ? of.value : null, forks: items, more: next !== null };
}

const Name = ({ session: { id, title } }: { session: Session }) =>
  <a href={`/s/${id}`} dir="auto">{visible(title || words.untitled)}</a>;

export function Forks({ session }: { session: string }) {
  const [family, familySet] = useState<Family | null>(null);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    let ended = false;
    const read = async () => {
      timer = null;
      const found = await familyRead(session);
      if (!ended && found !== null) familySet(found);
    };
    const end = followOwner({
      onReset: () => void read(),
      onEvents: (events) => {
        if (events.some(({ type, data }) => type === "session_changed" && isNews(data))) {
          timer ??= setTimeout(() => void read(), NEWS_MS);
        }
      },
    });
    return () => {
      ended = true;
      end();
      if (timer !== null) clearTimeout(timer);
    };
  }, [session]);
  if (family === null || (family.of === null && family.forks.length === 0)) return null;
  return (
    <div class="side-forks small">
      {family.of === null ? null : <p>{words.forkedFrom} <Name session={family.of} /></p>}
      {family.forks.length === 0 ? null : (
        <details>
          <summary>{words.forks(family.forks.length, family.more)}</summary>
          <ul>
            {family.forks.map((fork) => (
              <li key={fork.id}>
                <Name session={fork} />{" "}
                <span class="muted">{when(fork.made_ms, now.value)}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}
