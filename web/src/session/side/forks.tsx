/** The session that this one was forked from, and its forks. */
import { get, type Answer } from "../../api/api.ts";
import type { Page, Session } from "../../api/types.ts";
import { when } from "../../parts/text.ts";
import { titleOf } from "../../parts/title.ts";
import { now } from "../../state/clock.ts";
import { useRead } from "../../state/read.ts";
import { words } from "./words.ts";

interface Family { of: Session | null; forks: Session[]; more: boolean }

const SHOWN = 50;
const NEWS_MS = 500;

/** Whether it may be news of the family: events have the message of a fork, not its session. */
const isNews = (data: unknown): boolean =>
  (data as { forked_from?: string | null }).forked_from != null;

async function familyRead(session: string): Promise<Answer<Family>> {
  const [own, forks] = await Promise.all([
    get<Session>(`/sessions/${session}`),
    get<Page<Session>>(`/sessions?fork_of=${session}&limit=${SHOWN}`),
  ]);
  if (!own.ok) return own; // The parts beside it say what is wrong.
  if (!forks.ok) return forks;
  const from = own.value.fork_of;
  const of = from === null ? null : await get<Session>(`/sessions/${from}`);
  const { items, next } = forks.value;
  return { ok: true, value: { of: of?.ok ? of.value : null, forks: items, more: next !== null } };
}

const Name = ({ session: { id, title } }: { session: Session }) =>
  <a href={`/s/${id}`} dir="auto">{titleOf({ title })}</a>;

export function Forks({ session }: { session: string }) {
  const { value: family } = useRead<Family>(session, {
    from: () => familyRead(session), pause_ms: NEWS_MS,
    after: ({ type, data }) => type === "session_changed" && isNews(data),
  });
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
