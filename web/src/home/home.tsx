/** Home: what waits for a person, what failed, what finished and was not seen, and what runs. */
import { Loading } from "../parts/loading.tsx";
import { Section } from "../parts/section.tsx";
import { home, markSeen } from "../state/home.ts";
import type { Overview, Run } from "../state/types.ts";
import { Offer } from "../welcome/offer.tsx";
import { words } from "../words.ts";
import { EndedRow, RunningRow, SessionRow, WaitingRows } from "./rows.tsx";
import { Today } from "./today.tsx";

const BAD = ["failed", "timed_out", "lost", "interrupted"];

function Empty() {
  return (
    <div class="empty">
      <p>{words.nothing}</p>
      <p class="muted">{words.nothingNext}</p>
      {words.nothingCommands.map((command) => <pre key={command}>{command}</pre>)}
    </div>
  );
}

function Lists({ overview, running }: { overview: Overview; running: Run[] }) {
  const { waiting, unseen } = overview;
  const due = waiting.approvals.length + waiting.deliveries.length + waiting.blocked.length;
  const isBad = ({ state }: { state: string }) => BAD.includes(state);
  const sessionBad = ({ status }: { status: string }) => BAD.includes(status);
  const failed = unseen.ended.filter(isBad), ended = unseen.ended.filter((run) => !isBad(run));
  const failedTalks = unseen.sessions.filter(sessionBad);
  const talks = unseen.sessions.filter((session) => !sessionBad(session));
  const all = [
    ...ended.map(({ id, seq }) => ({ id, seq, session: false })),
    ...talks.map(({ id, seq }) => ({ id, seq, session: true })),
  ];
  const live = Object.values(overview.runs).flatMap((states) => Object.values(states))
    .reduce((sum, one) => sum + one, 0);
  const more = Math.max(0, live - running.length);
  const shown = due + failed.length + failedTalks.length + all.length + running.length;
  if (shown === 0) return <Empty />;
  return (
    <>
      <Section title={words.waiting} count={due} about={due > 1 ? words.oldestFirst : undefined}>
        {due === 0 ? <p class="none">{words.noWaiting}</p> : <WaitingRows waiting={waiting} />}
      </Section>
      {failed.length + failedTalks.length === 0 ? null : (
        <Section title={words.failed} count={failed.length + failedTalks.length}>
          {failed.map((run) => <EndedRow key={run.id} run={run} />)}
          {failedTalks.map((session) => <SessionRow key={session.id} session={session} />)}
        </Section>
      )}
      {all.length === 0 ? null : (
        <Section title={words.finished} count={all.length} action={
          <button class="quiet" onClick={() => void markSeen(all)}>{words.markAll}</button>}>
          {ended.map((run) => <EndedRow key={run.id} run={run} />)}
          {talks.map((session) => <SessionRow key={session.id} session={session} />)}
        </Section>
      )}
      <Section title={words.running} count={live} about={more > 0 ? words.more(more) : undefined}>
        {running.length === 0 ? <p class="none">{words.noRunning}</p> : null}
        {running.map((run) => <RunningRow key={run.id} run={run} />)}
      </Section>
    </>
  );
}

export function Home() {
  const { overview, running } = home.value;
  if (overview === null) return <Loading />;
  return (
    <div class="page with-aside">
      <h1 class="hidden">{words.home}</h1>
      <div><Offer /><Lists overview={overview} running={running} /></div>
      <Today today={overview.today} />
    </div>
  );
}
