/** Home: what waits for a person, what failed, what finished and was not seen, and what runs. */
import type { Ask, Overview, Run } from "../api/types.ts";
import { AskCard } from "../ask/ask.tsx";
import { useAskKeys } from "../ask/keys.ts";
import { HeldRow } from "../parts/held.tsx";
import { MailDue } from "../parts/maildue.tsx";
import { Loading } from "../parts/loading.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { Section } from "../parts/section.tsx";
import { useSelection } from "../parts/select.ts";
import { useSeat } from "../router/router.ts";
import { Hint } from "../shell/kbd.tsx";
import { useKeys } from "../shell/keys.ts";
import { firstOf } from "../state/arrays.ts";
import { asksRead, isOpen, useAsks } from "../state/asks.ts";
import {
  asksDue, due, home, homeRead, markSeen, running, runningMore, runningProblem,
} from "../state/home.ts";
import { mailDue } from "../state/mail.ts";
import { may } from "../state/me.ts";
import { Offer } from "../welcome/offer.tsx";
import { words as all } from "../words.ts";
import { BlockedRow, EndedRow, placeOf, RunningRow, SessionRow } from "./rows.tsx";
import { Today } from "./today.tsx";
import { words } from "./words.ts";

const BAD = ["failed", "timed_out", "lost", "interrupted"];
const ASKS_SHOWN = 10;

function Empty() {
  return (
    <div class="empty">
      <p>{all.nothing}</p>
      <p class="muted">{all.nothingNext}</p>
      {all.nothingCommands.map((command) => <pre key={command}>{command}</pre>)}
    </div>
  );
}

function sorted({ waiting, unseen }: Overview, asks: readonly Ask[]) {
  const runBad = ({ state }: { state: string }) => BAD.includes(state);
  const talkBad = ({ status }: { status: string }) => BAD.includes(status);
  return {
    asks, waiting,
    failed: unseen.ended.filter(runBad), failedTalks: unseen.sessions.filter(talkBad),
    ended: unseen.ended.filter((run) => !runBad(run)),
    talks: unseen.sessions.filter((session) => !talkBad(session)),
  };
}
type Sorted = ReturnType<typeof sorted>;

/** Where Enter leads, by the id of each row, in the order of the rows. */
function placesOf(rows: Sorted, runs: Run[]): Map<string, string | null> {
  const { asks, waiting, failed, failedTalks, ended, talks } = rows;
  const nowhere = (one: { id: string }) => [one.id, null] as const;
  const run = (one: Run | Sorted["ended"][number]) => [one.id, placeOf(one)] as const;
  const talk = ({ id }: { id: string }) => [id, `/s/${id}`] as const;
  return new Map<string, string | null>([
    ...asks.map(({ id }) => [id, `/inbox/${id}`] as const),
    ...mailDue.value.map(({ id }) => [id, `/inbox/mail/${id}`] as const),
    ...waiting.deliveries.map(nowhere), ...waiting.blocked.map(nowhere),
    ...failed.map(run), ...failedTalks.map(talk), ...ended.map(run), ...talks.map(talk),
    ...runs.map(run),
  ]);
}

function Lists({ overview, runs }: { overview: Overview; runs: Run[] }) {
  const { go } = useSeat();
  const { items } = useAsks(), shownAsks = firstOf(items, isOpen, ASKS_SHOWN);
  const rows = sorted(overview, shownAsks), places = placesOf(rows, runs);
  const { waiting, failed, failedTalks, ended, talks } = rows;
  const select = useSelection([...places.keys()]), is = (id: string) => select.id === id;
  const toSee = [
    ...ended.map(({ id, seq }) => ({ id, seq, session: false })),
    ...talks.map(({ id, seq }) => ({ id, seq, session: true })),
  ];
  const open = (): void => {
    const place = select.id === null ? null : places.get(select.id);
    if (place) go(place);
  };
  const nextWaiting = (): void => {
    const ids = [...shownAsks.filter(isOpen), ...mailDue.value].map(({ id }) => id);
    const at = select.id === null ? -1 : ids.indexOf(select.id);
    select.to(ids[(at + 1) % ids.length]);
  };
  useKeys([
    { name: "next", run: () => select.step(1) },
    { name: "previous", run: () => select.step(-1) },
    { name: "open", run: open },
    { name: "waiting", run: nextWaiting },
    { name: "seen", run: () => may("run") && void markSeen(toSee) },
  ]);
  useAskKeys(shownAsks.find(({ id }) => is(id)) ?? null, { other: open });
  const left = asksDue.value - shownAsks.filter(isOpen).length;
  if (places.size === 0) return <Empty />;
  return (
    <div onFocusIn={select.onFocusIn}>
      <Section title={all.waiting} count={due.value}
        about={due.value > 1 ? all.oldestFirst : undefined}>
        {due.value === 0 && shownAsks.length === 0 ? <p class="none">{all.noWaiting}</p> : null}
        {shownAsks.map((ask) => <AskCard key={ask.id} ask={ask} compact selected={is(ask.id)} />)}
        {left > 0 ? <p class="none"><a href="/inbox">{words.rest(left)}</a></p> : null}
        <MailDue selected={select.id} />
        {waiting.deliveries.map((one) => <HeldRow key={one.id} held={one} selected={is(one.id)} />)}
        {waiting.blocked.map((one) => <BlockedRow key={one.id} run={one} selected={is(one.id)} />)}
      </Section>
      {failed.length + failedTalks.length === 0 ? null : (
        <Section title={all.failed} count={failed.length + failedTalks.length}>
          {failed.map((run) => <EndedRow key={run.id} run={run} bad selected={is(run.id)} />)}
          {failedTalks.map((one) =>
            <SessionRow key={one.id} session={one} bad selected={is(one.id)} />)}
        </Section>
      )}
      {toSee.length === 0 ? null : (
        <Section title={all.finished} count={toSee.length} action={may("run") ? (
          <button class="quiet" onClick={() => void markSeen(toSee)}>
            {all.markAll}<Hint of="seen" />
          </button>) : undefined}>
          {ended.map((run) =>
            <EndedRow key={run.id} run={run} bad={false} selected={is(run.id)} />)}
          {talks.map((one) =>
            <SessionRow key={one.id} session={one} bad={false} selected={is(one.id)} />)}
        </Section>
      )}
      <Section title={all.running} count={runs.length}
        about={runningMore.value ? all.more : undefined}>
        {runs.length === 0 ? <p class="none">{all.noRunning}</p> : null}
        {runs.map((run) => <RunningRow key={run.id} run={run} selected={is(run.id)} />)}
      </Section>
    </div>
  );
}

export function Home() {
  const { overview } = home.value, asks = useAsks();
  const problem = home.value.problem ?? asks.problem ?? runningProblem.value;
  const retry = (): void => {
    void homeRead();
    void asksRead();
  };
  if (overview === null || !asks.ready) {
    return problem === null ? <Loading /> : <Trouble problem={problem} retry={retry} />;
  }
  return (
    <div class="page with-aside">
      <h1 class="hidden">{all.home}</h1>
      <div>
        <Offer />
        <Lists overview={overview} runs={running.value} />
        <Trouble problem={problem} retry={retry} />
      </div>
      <Today today={overview.today} />
    </div>
  );
}
