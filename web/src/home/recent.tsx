/** The sessions that changed last. */
import type { Page, Session } from "../api/types.ts";
import { when } from "../parts/text.ts";
import { visible } from "../parts/visible.ts";
import { titleOf } from "../parts/title.ts";
import { now } from "../state/clock.ts";
import { useRead } from "../state/read.ts";
import { words } from "./words.ts";

const SHOWN = 5;

export function Recent() {
  const { value } = useRead<Page<Session>>(`/sessions?limit=${SHOWN}`,
    { after: ({ type }) => type === "session_changed", pause_ms: 1_000 });
  if (value === null || value.items.length === 0) return null;
  return (
    <>
      <h2 class="after"><a href="/sessions">{words.recent}</a></h2>
      <ul class="recent">
        {value.items.map((session) => (
          <li key={session.id}>
            <a class="name clip" dir="auto" href={`/s/${session.id}`}>{titleOf(session)}</a>
            <span class="muted small clip">
              {session.project === "default" ? null : <><bdi>{visible(session.project)}</bdi>
                {" · "}</>}
              {when(session.changed_ms, now.value)}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}
