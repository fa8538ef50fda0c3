/** The rows of Home. */
import { Brand } from "../parts/brand.tsx";
import { State } from "../parts/state.tsx";
import { ago, elapsed, when } from "../parts/text.ts";
import { now } from "../state/clock.ts";
import { markSeen, type SeenRow } from "../state/home.ts";
import type { Ended, Overview, Run, UnseenSession } from "../state/types.ts";
import { words } from "../words.ts";

const nameOf = (run: { label: string | null; kind: string; command?: string }): string =>
  run.label ?? run.command ?? words.kinds[run.kind] ?? run.kind;

/** What waits: the oldest first, which is the order of the daemon. */
export function WaitingRows({ waiting }: { waiting: Overview["waiting"] }) {
  return (
    <>
      {waiting.approvals.map((ask) => (
        <div key={ask.id} class="row waits">
          <Brand id={ask.run} />
          <div class="what">
            <span class="clip">
              <span class="tone-wait" aria-hidden="true">◆ </span>
              {words.asks[ask.kind] ?? words.states.waiting}{" "}
              <span class="mono" dir="auto">{ask.step}</span>
            </span>
            <span class="muted clip">{ago(now.value - ask.asked_ms)}</span>
          </div>
          <code class="how">{words.answerHow(ask.id)}</code>
        </div>
      ))}
      {waiting.deliveries.map((held) => (
        <div key={held.id} class="row waits">
          <Brand id={held.run} />
          <div class="what">
            <span class="clip">
              <span class="tone-wait" aria-hidden="true">◆ </span>
              {words.held} <span class="mono" dir="auto">{held.receiver}</span>
            </span>
            <span class="muted clip">{held.cause} {ago(now.value - held.made_ms)}</span>
          </div>
        </div>
      ))}
      {waiting.blocked.map((run) => (
        <div key={run.id} class="row waits">
          <Brand id={run.id} />
          <div class="what">
            <span class="clip mono" dir="auto">{nameOf(run)}</span>
            <span class="muted clip">{words.room} {run.about} {ago(now.value - run.made_ms)}</span>
          </div>
        </div>
      ))}
    </>
  );
}

function SeenButton({ id, seq, session, name }: SeenRow & { name: string }) {
  return (
    <button class="quiet" aria-label={words.markSeenOf(name)}
      onClick={() => void markSeen([{ id, seq, session }])}>{words.markSeen}</button>
  );
}

export function EndedRow({ run }: { run: Ended }) {
  const cause = run.cause === null || run.cause === "completed" ? undefined : run.cause;
  return (
    <div class="row ended">
      <Brand id={run.id} />
      <span class="mono clip" dir="auto">{nameOf(run)}</span>
      <State state={run.state} about={cause} />
      <span class="muted num">{when(run.ended_ms, now.value)}</span>
      <SeenButton id={run.id} seq={run.seq} session={false} name={nameOf(run)} />
    </div>
  );
}

export function SessionRow({ session }: { session: UnseenSession }) {
  const title = session.title ?? session.id;
  return (
    <div class="row ended">
      <Brand id={session.id} />
      <span class="clip" dir="auto">{title}</span>
      <State state={session.status} />
      <span class="muted num">{when(session.changed_ms, now.value)}</span>
      <SeenButton id={session.id} seq={session.seq} session={true} name={title} />
    </div>
  );
}

export function RunningRow({ run }: { run: Run }) {
  const { progress } = run;
  const about = progress !== undefined ? words.progress(progress)
    : run.gate ?? words.kinds[run.kind];
  return (
    <div class="row running">
      <Brand id={run.id} />
      <span class="mono clip" dir="auto">{nameOf(run)}</span>
      <State state={run.state} about={about} />
      <span class="num muted">{elapsed(now.value - (run.started_ms ?? run.made_ms))}</span>
    </div>
  );
}
