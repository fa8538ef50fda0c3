/** Home: what waits for a person, what failed, what finished and was not seen, and what runs. */
import { Fragment } from "preact";
import { useState } from "preact/hooks";

import type { Problem } from "../api/api.ts";
import type { Overview, Run } from "../api/types.ts";
import { AskCard } from "../ask/ask.tsx";
import { useAskKeys } from "../ask/keys.ts";
import { viewsStyled } from "../look/views.ts";
import { useLater } from "../parts/later.ts";
import { Loading } from "../parts/loading.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { WaitRow } from "../parts/wait.tsx";
import { placeOfWait } from "../parts/waits.ts";
import { Section } from "../parts/section.tsx";
import { useSelection } from "../parts/select.ts";
import { visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import { Hint } from "../shell/kbd.tsx";
import { useKeys } from "../shell/keys.ts";
import { firstOf } from "../state/arrays.ts";
import { asksRead, useAsks } from "../state/asks.ts";
import { isHeaded, type DeskRow } from "../state/desk.ts";
import {
  due, home, homeRead, markSeen, running, runningMore, runningProblem,
} from "../state/home.ts";
import { may } from "../state/me.ts";
import { useDesk } from "../state/usedesk.ts";
import { Offer } from "../welcome/offer.tsx";
import { words as all } from "../words.ts";
import { demoBegin } from "./demo.ts";
import { EndedRow, placeOf, RunningRow, SessionRow } from "./rows.tsx";
import { Today } from "./today.tsx";
import { words } from "./words.ts";

/** Its place stands from the beginning, so that nothing moves when it comes. */
function Begin() {
  const Composer = useLater(async () => {
    const [{ Composer: Loaded }] = await Promise.all([import("./composer.tsx"), viewsStyled()]);
    return Loaded;
  });
  return <div class="begin-place">{Composer === null ? null : <Composer />}</div>;
}

const BAD = ["failed", "timed_out", "lost", "interrupted"];
const DESK_SHOWN = 20;

function Empty() {
  const { go } = useSeat(), [problem, problemSet] = useState<Problem | null>(null);
  const [busy, busySet] = useState(false);
  const run = async (): Promise<void> => {
    busySet(true);
    const answer = await demoBegin();
    busySet(false);
    problemSet(answer.ok ? null : answer.problem);
    if (answer.ok) go(`/s/${answer.value.id}`);
  };
  return (
    <div class="empty">
      <p>{words.nothing}</p>
      {!may("run") ? null : (
        <>
          <p class="muted">{words.demoAbout}</p>
          <p><button disabled={busy} onClick={() => void run()}>{words.demo}</button></p>
        </>
      )}
      <Trouble problem={problem} />
    </div>
  );
}

function sorted({ unseen }: Overview) {
  const runBad = ({ state }: { state: string }) => BAD.includes(state);
  const talkBad = ({ status }: { status: string }) => BAD.includes(status);
  return {
    failed: unseen.ended.filter(runBad), failedTalks: unseen.sessions.filter(talkBad),
    ended: unseen.ended.filter((run) => !runBad(run)),
    talks: unseen.sessions.filter((session) => !talkBad(session)),
  };
}
type Sorted = ReturnType<typeof sorted>;

/** Where Enter leads, by the id of each row, in the order of the rows. */
function placesOf(desk: readonly DeskRow[], rows: Sorted, runs: Run[]): Map<string, string | null> {
  const { failed, failedTalks, ended, talks } = rows;
  const run = (one: Run | Sorted["ended"][number]) => [one.id, placeOf(one)] as const;
  const talk = ({ id }: { id: string }) => [id, `/s/${id}`] as const;
  return new Map<string, string | null>([
    ...desk.map(({ id, wait }) =>
      [id, wait === null ? `/inbox/${id}` : placeOfWait(wait)] as const),
    ...failed.map(run), ...failedTalks.map(talk), ...ended.map(run), ...talks.map(talk),
    ...runs.map(run),
  ]);
}

function Desk({ rows, selected }: { rows: readonly DeskRow[]; selected: string | null }) {
  return (
    <>
      {rows.map((row, at) => (
        <Fragment key={row.id}>
          {isHeaded(rows, at) ? (
            <h3 class="project" dir="auto">{visible(row.project ?? words.noProject)}</h3>
          ) : null}
          {row.ask !== null
            ? <AskCard ask={row.ask} compact selected={row.id === selected} />
            : row.wait !== null
              ? <WaitRow row={row} wait={row.wait} selected={row.id === selected} /> : null}
        </Fragment>
      ))}
    </>
  );
}

function Lists({ overview, runs }: { overview: Overview; runs: Run[] }) {
  const { go } = useSeat(), waiting = useDesk();
  const desk = firstOf(waiting, ({ over }) => !over, DESK_SHOWN);
  const rows = sorted(overview), places = placesOf(desk, rows, runs);
  const { failed, failedTalks, ended, talks } = rows;
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
    const ids = desk.filter(({ over }) => !over).map(({ id }) => id);
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
  useAskKeys(desk.find(({ id }) => is(id))?.ask ?? null, { other: open });
  const left = due.value - desk.filter(({ over }) => !over).length;
  if (places.size === 0) return <Empty />;
  return (
    <div onFocusIn={select.onFocusIn}>
      <Section title={all.waiting} count={due.value}
        about={due.value > 1 ? words.oldestFirst : undefined}>
        {desk.length === 0 ? <p class="none">{words.noWaiting}</p> : null}
        <Desk rows={desk} selected={select.id} />
        {left > 0 ? <p class="none"><a href="/inbox">{words.rest(left)}</a></p> : null}
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
        {may("run") ? <Begin /> : null}
        <Lists overview={overview} runs={running.value} />
        <Trouble problem={problem} retry={retry} />
      </div>
      <Today overview={overview} />
    </div>
  );
}
