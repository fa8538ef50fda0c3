/** Run again from the moment that is shown: what it would do and cost is said before. */
import { useEffect, useState } from "preact/hooks";

import { post, type Answer, type Problem } from "../api/api.ts";
import { Dialog, dialogEnd } from "../parts/dialog.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import type { Rehearsal } from "./plan.ts";
import { useOpened } from "./view.ts";
import { words } from "./words.ts";

interface Plan {
  valid: boolean; error?: { message?: string } | null; rehearsal?: Rehearsal | null;
  resume?: { fit: boolean; fault: string | null } | null;
  args?: { fit: boolean | null; fault: string | null };
}

function Says({ plan }: { plan: Plan }) {
  const { rehearsal } = plan, fault = plan.resume?.fault ?? plan.args?.fault ?? null;
  if (!plan.valid || fault !== null || rehearsal == null) {
    const text = visible(fault ?? plan.error?.message ?? "");
    return <p class="tone-fail">{words.unfit} <bdi>{text}</bdi></p>;
  }
  const { agents, cached, price, ended } = rehearsal;
  return (
    <>
      <p><b>{words.againSays(cached, agents - cached)}</b></p>
      {agents === cached ? null : <p>{words.price(price.micros)}</p>}
      {price.unpriced === 0 ? null : <p class="muted">{words.priceUnknown(price.unpriced)}</p>}
      {ended === "finished" ? null : <p class="muted">{words.cut}</p>}
    </>
  );
}

export function Again({ onClose }: { onClose: () => void }) {
  const { id, at, state, row, history } = useOpened(), { go } = useSeat();
  const [seq] = useState(at.value);
  const [plan, planSet] = useState<Plan | null>(null);
  const [problem, problemSet] = useState<Problem | null>(null);
  const [busy, busySet] = useState(false), [stopped, stoppedSet] = useState(false);
  const lives = history.value.of.last.end === null && row.value?.ended_ms == null;
  const body = { resumeFromRunId: id, ...(seq !== null && { from_seq: seq }) };
  useEffect(() => {
    if (lives) return;
    void post<Plan>("/scripts/plan", body).then((answer) => {
      if (answer.ok) planSet(answer.value);
      else problemSet(answer.problem);
    });
  }, [lives]);
  const done = async <T,>(call: Promise<Answer<T>>): Promise<T | null> => {
    busySet(true);
    const answer = await call;
    problemSet(answer.ok ? null : answer.problem);
    busySet(false);
    return answer.ok ? answer.value : null;
  };
  const stop = async (): Promise<void> => {
    if (await done(post(`/runs/${id}/stop`, {})) !== null) stoppedSet(true);
  };
  const start = async (button: Element): Promise<void> => {
    const made = await done(post<{ runId: string }>("/workflows", body));
    if (made === null) return;
    dialogEnd(button);
    go(`/r/${made.runId}`);
  };
  const title = seq === null ? words.againAll : words.againTitle(state.peek().seq);
  const fits = plan !== null && plan.valid && plan.rehearsal != null &&
    plan.resume?.fault == null && plan.args?.fault == null;
  return (
    <Dialog label={title} name="sheet-form" onClose={onClose}>
      <form onSubmit={(event) => event.preventDefault()}>
        <h2>{title}</h2>
        {lives ? <p>{stopped ? words.stopping : words.againLives}</p>
          : plan !== null ? <Says plan={plan} />
            : problem === null ? <p class="muted" role="status">{words.reading}</p> : null}
        <Trouble problem={problem} />
        <div class="buttons">
          {lives ? (
            <button type="button" class="main" disabled={busy || stopped}
              onClick={() => void stop()}>{words.stopFirst}</button>
          ) : (
            <button type="button" class="main" disabled={!fits || busy}
              onClick={(event) => void start(event.currentTarget)}>{words.start}</button>
          )}
          <button type="button" onClick={(event) => dialogEnd(event.currentTarget)}>
            {words.cancel}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
