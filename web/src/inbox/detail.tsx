/** The question of the address, whole; also one that was answered. */
import type { Ask } from "../api/types.ts";
import { AskCard } from "../ask/ask.tsx";
import { Loading } from "../parts/loading.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { useSeat } from "../router/router.ts";
import { asks } from "../state/asks.ts";
import { useRead } from "../state/read.ts";
import { Result } from "./result.tsx";
import { words } from "./words.ts";

/** A call has its session; the page of a run leads on to that of a job, and shows the step of a
 *  flow. */
function Places({ ask }: { ask: Ask }) {
  return ask.session !== null
    ? <a class="button quiet" href={`/s/${ask.session}`}>{words.session}</a>
    : <a class="button quiet" href={`/r/${ask.run}?${new URLSearchParams({ step: ask.step })}`}>
        {words.run}</a>;
}

export function Detail({ id }: { id: string }) {
  const { search } = useSeat();
  const listed = asks.value.items.find((ask) => ask.id === id);
  const isMissing = listed === undefined && asks.value.ready;
  const { value, problem, again } =
    useRead<Ask>(isMissing ? `/approvals/${encodeURIComponent(id)}` : null);
  const ask = listed ?? value ?? undefined;
  return (
    <div class="detail">
      <div class="detail-head">
        <a class="button quiet" href={`/inbox${search.value}`}>{words.back}</a>
        {ask === undefined ? null : <Places ask={ask} />}
      </div>
      {ask !== undefined ? <AskCard key={id} ask={ask} />
        : problem === null ? <Loading />
        : <Trouble problem={problem} retry={() => void again()} />}
      {ask?.state === "allowed" ? <Result key={id} ask={ask} /> : null}
    </div>
  );
}
