/** The rows of Home. Those that have a place of their own link to it. */
import type { Ended, Run, UnseenSession } from "../api/types.ts";
import { Brand } from "../parts/brand.tsx";
import { whyOf } from "../parts/cause.ts";
import { State } from "../parts/state.tsx";
import { elapsed, money, when } from "../parts/text.ts";
import { visible } from "../parts/visible.ts";
import { Why } from "../parts/why.tsx";
import { now } from "../state/clock.ts";
import { markSeen, order, progress as told, type SeenRow } from "../state/home.ts";
import { may } from "../state/me.ts";
import { words as all } from "../words.ts";
import { words } from "./words.ts";

const nameOf = (run: { label: string | null; kind: string; command?: string }): string =>
  visible(run.label ?? run.command ?? all.kinds[run.kind] ?? run.kind);

/** A job, a workflow and a flow have a page; an agent is shown in its workflow, a turn in its
 *  session. */
export function placeOf(run: { id: string; kind: string; session?: string | null;
  stream?: string }): string | null {
  if (run.kind === "job") return `/j/${run.id}`;
  if (["workflow", "flow", "agent"].includes(run.kind)) return `/r/${run.id}`;
  const session = run.session ?? /^session:(ses_\w+)$/.exec(run.stream ?? "")?.[1];
  return run.kind === "turn" && session ? `/s/${session}` : null;
}

function Name({ text, to }: { text: string; to: string | null }) {
  return to === null ? <span class="mono clip" dir="auto">{text}</span>
    : <a class="name mono clip" dir="auto" href={to}>{text}</a>;
}

interface RowProps { id: string; kind: string; selected: boolean }
const row = ({ id, kind, selected }: RowProps) => ({
  class: `row ${kind}${selected ? " sel" : ""}`, "data-row": id, tabIndex: -1,
  "aria-current": selected,
});

function SeenButton({ id, seq, session, name }: SeenRow & { name: string }) {
  return may("run") ? (
    <button class="quiet" aria-label={all.markSeenOf(name)}
      onClick={() => void markSeen([{ id, seq, session }])}>{all.markSeen}</button>
  ) : null;
}

interface EndedProps { run: Ended; bad: boolean; selected: boolean }

export function EndedRow({ run, bad, selected }: EndedProps) {
  const name = nameOf(run), place = placeOf(run);
  const mayAgain = bad && may("run") && ["job", "workflow", "flow"].includes(run.kind);
  return (
    <div {...row({ id: run.id, kind: bad ? "ended bad" : "ended", selected })}>
      <Brand id={run.id} />
      <Name text={name} to={place} />
      <State state={run.state} about={whyOf(run)} />
      <span class="muted num">{when(run.ended_ms, now.value)}</span>
      <div class="acts">
        {bad && place !== null && run.kind === "job" ? (
          <a class="button quiet" href={place} aria-label={words.logOf(name)}>{words.log}</a>
        ) : null}
        {mayAgain ? (
          <button class="quiet" aria-label={words.againOf(name)}
            onClick={() => void order(`/runs/${run.id}/retry`)}>{words.again}</button>
        ) : null}
        <SeenButton id={run.id} seq={run.seq} session={false} name={name} />
      </div>
      {bad && run.kind === "job" ? <Why run={run.id} /> : null}
    </div>
  );
}

interface SessionProps { session: UnseenSession; bad: boolean; selected: boolean }

export function SessionRow({ session, bad, selected }: SessionProps) {
  const title = visible(session.title ?? session.id);
  return (
    <div {...row({ id: session.id, kind: bad ? "ended bad" : "ended", selected })}>
      <Brand id={session.id} />
      <a class="name clip" dir="auto" href={`/s/${session.id}`}>{title}</a>
      <State state={session.status} />
      <span class="muted num">{when(session.changed_ms, now.value)}</span>
      <div class="acts">
        <SeenButton id={session.id} seq={session.seq} session={true} name={title} />
      </div>
    </div>
  );
}

export function RunningRow({ run, selected }: { run: Run; selected: boolean }) {
  const figures = told.value.get(run.id) ?? run.progress;
  const about = figures !== undefined ? all.progress(figures) : run.gate ?? all.kinds[run.kind];
  const since = run.started_ms ?? run.made_ms;
  return (
    <div {...row({ id: run.id, kind: "running", selected })}>
      <Brand id={run.id} />
      <Name text={nameOf(run)} to={placeOf(run)} />
      <State state={run.state} {...(about && { about })} />
      <span class="num">{run.cost_micros ? money(run.cost_micros) : ""}</span>
      <span class="num muted">{elapsed(now.value - since)}</span>
    </div>
  );
}
