/** The question of the address, whole; also one that was answered. */
import { useEffect, useState } from "preact/hooks";

import { get, type Problem } from "../api/api.ts";
import type { Ask } from "../api/types.ts";
import { AskCard } from "../ask/ask.tsx";
import { Loading } from "../parts/loading.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { useSeat } from "../router/router.ts";
import { asks } from "../state/asks.ts";
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
  const [read, readSet] = useState<Ask | null>(null);
  const [problem, problemSet] = useState<Problem | null>(null);
  const [tries, triesSet] = useState(0);
  const missing = listed === undefined && asks.value.ready;
  useEffect(() => {
    let left = false;
    if (missing) {
      void get<Ask>(`/approvals/${encodeURIComponent(id)}`).then((answer) => {
        if (left) return;
        if (answer.ok) readSet(answer.value);
        problemSet(answer.ok ? null : answer.problem);
      });
    }
    return () => void (left = true);
  }, [id, missing, tries]);
  const ask = listed ?? (read?.id === id ? read : undefined);
  return (
    <div class="detail">
      <div class="detail-head">
        <a class="button quiet" href={`/inbox${search.value}`}>{words.back}</a>
        {ask === undefined ? null : <Places ask={ask} />}
      </div>
      {ask !== undefined ? <AskCard key={id} ask={ask} />
        : problem === null ? <Loading />
        : <Trouble problem={problem} retry={() => triesSet(tries + 1)} />}
      {ask?.state === "allowed" ? <Result key={id} ask={ask} /> : null}
    </div>
  );
}
