/** What a session has in the background: jobs, subagents and workflows, the newest first. */
import { useRef, useState } from "preact/hooks";

import { get, post, type Problem } from "../../api/api.ts";
import type { Work } from "../../api/types.ts";
import { causeText, whyOf } from "../../parts/cause.ts";
import { Loading } from "../../parts/loading.tsx";
import { State } from "../../parts/state.tsx";
import { visible } from "../../parts/visible.ts";
import { now } from "../../state/clock.ts";
import { may } from "../../state/me.ts";
import { words as shared } from "../../words.ts";
import { Trouble } from "../../parts/trouble.tsx";
import { listOf, type List } from "./list.ts";
import { useStay } from "./stay.ts";
import { StartForm } from "./start.tsx";
import { duration, isBad, isLive } from "./text.ts";
import { words } from "./words.ts";

export const backgroundOf = (session: string): List<Work> =>
  listOf<Work>(session, `/sessions/${session}/background`, ({ id }) => id);

function Age({ work }: { work: Work }) {
  const end = work.ended_ms ?? now.value;
  return <span class="num">{duration(Math.max(0, end - (work.started_ms ?? work.made_ms)))}</span>;
}

/** As the session is told of it; a run that was called off tells nobody. */
async function resultRead({ id, notice }: Work): Promise<string | Problem> {
  if (notice !== null) {
    const told = await get<{ payload: { output?: string } }>(`/inbox/${notice}`);
    return told.ok ? told.value.payload.output ?? "" : told.problem;
  }
  const run = await get<{ result?: unknown }>(`/runs/${id}`);
  if (!run.ok) return run.problem;
  return run.value.result == null ? "" : JSON.stringify(run.value.result, null, 2);
}

function Result({ work, name }: { work: Work; name: string }) {
  const [result, resultSet] = useState<string | Problem | null>(null);
  const open = result !== null;
  const toggle = async () => resultSet(open ? null : await resultRead(work));
  return (
    <>
      <button class="quiet" aria-expanded={open} onClick={() => void toggle()}
        aria-label={open ? undefined : words.resultOf(name)}>
        {open ? words.hideResult : words.result}
      </button>
      {typeof result === "string"
        ? <pre class="side-result" dir="auto" tabIndex={0}>{visible(result) || words.noResult}</pre>
        : <Trouble problem={result} />}
    </>
  );
}

function nameOf({ label, title, command, kind }: Work): string {
  return visible(label ?? title ?? command ?? words.kinds[kind] ?? kind).replaceAll("\n", " ");
}

/** Where it has a place of its own. */
function placeOf({ id, kind, subagent }: Work): string | null {
  if (subagent !== null) return `/s/${subagent}`;
  return kind === "job" ? `/j/${id}` : kind === "flow" || kind === "workflow" ? `/r/${id}` : null;
}

function WorkRow({ work, again }: { work: Work; again(): void }) {
  const [problem, problemSet] = useState<Problem | null>(null);
  const name = nameOf(work), place = placeOf(work);
  const about = isLive(work) ? causeText(work.gate) || undefined : whyOf(work);
  const act = async (what: string) => {
    const answer = await post(`/runs/${work.id}/${what}`, {});
    problemSet(answer.ok ? null : answer.problem);
    again();
  };
  return (
    <li class="side-row">
      <div class="side-top">
        {place === null ? <span class="clip mono side-name" dir="auto">{name}</span>
          : <a class="clip mono side-name" dir="auto" href={place}>{name}</a>}
        <Age work={work} />
      </div>
      <div class="side-facts small">
        <State state={work.state} {...(about === undefined ? {} : { about })} />
        <span>{words.kinds[work.kind] ?? work.kind}</span>
        {work.retry_of === undefined ? null : <span>{words.retried}</span>}
        {work.progress === undefined ? null : <span>{shared.progress(work.progress)}</span>}
        {isLive(work) || work.delivery === null ? null
          : <span>{words.delivery[work.delivery] ?? work.delivery}</span>}
      </div>
      <div class="side-buttons">
        {isLive(work) && may("run") ? (
          <button class="quiet" aria-label={words.cancelOf(name)} onClick={() => void act("stop")}>
            {words.cancel}
          </button>
        ) : null}
        {!isLive(work) && isBad(work) && may("run") ? (
          <button class="quiet" aria-label={words.retryOf(name)} onClick={() => void act("retry")}>
            {words.retry}
          </button>
        ) : null}
        {isLive(work) ? null : <Result work={work} name={name} />}
      </div>
      <Trouble problem={problem} />
    </li>
  );
}

export function Background({ session, list }: { session: string; list: List<Work> }) {
  const { items, next, ready, problem } = list.rows.value;
  const box = useRef<HTMLDivElement>(null);
  useStay(box);
  if (!ready && problem === null) return <Loading />;
  return (
    <div class="side-scroll" ref={box}>
      {may("run") ? <StartForm session={session} done={list.again} /> : null}
      <Trouble problem={problem} retry={list.again} />
      {ready && items.length === 0 ? <p class="none">{words.noBackground}</p> : null}
      <ul class="side-rows">
        {items.map((work) => <WorkRow key={work.id} work={work} again={list.again} />)}
      </ul>
      {next === null ? null : (
        <button class="quiet side-more" onClick={() => void list.more()}>{words.more}</button>
      )}
    </div>
  );
}
