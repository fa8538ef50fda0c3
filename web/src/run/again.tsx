/** Run again from the moment that is shown: what it would do and cost is said before. */
import { useEffect, useRef, useState } from "preact/hooks";

import { post, type Answer, type Problem } from "../api/api.ts";
import { Dialog, dialogEnd, Ends } from "../parts/dialog.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import { refusalOf, type Plan } from "./plan.ts";
import { Price } from "./price.tsx";
import { useOpened } from "./view.ts";
import { words } from "./words.ts";

function Says({ plan }: { plan: Plan }) {
  const { rehearsal } = plan, fault = refusalOf(plan);
  if (fault !== null || rehearsal == null) {
    return <p class="tone-fail">{words.unfit} <bdi>{visible(fault ?? "")}</bdi></p>;
  }
  const { agents, cached } = rehearsal;
  return (
    <>
      <p><b>{words.againSays(cached, agents - cached)}</b></p>
      <Price rehearsal={rehearsal} />
    </>
  );
}

export function Again({ onClose }: { onClose: () => void }) {
  const { id, at, state, row, history } = useOpened(), { go } = useSeat();
  const [seq] = useState(at.value);
  const [plan, planSet] = useState<Plan | null>(null);
  const [problem, problemSet] = useState<Problem | null>(null);
  const here = useRef(true); // It was not closed meanwhile.
  useEffect(() => () => void (here.current = false), []);
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
    if (made === null || !here.current) return;
    dialogEnd(button);
    go(`/r/${made.runId}`);
  };
  const title = seq === null ? words.againAll : words.againTitle(state.peek().seq);
  const fits = plan !== null && plan.rehearsal != null && refusalOf(plan) === null;
  return (
    <Dialog label={title} name="sheet-form" onClose={onClose}>
      <form onSubmit={(event) => event.preventDefault()}>
        <h2>{title}</h2>
        {lives ? <p>{stopped ? words.stopping : words.againLives}</p>
          : plan !== null ? <Says plan={plan} />
            : problem === null ? <p class="muted" role="status">{words.reading}</p> : null}
        <Trouble problem={problem} />
        <Ends cancel={words.cancel}>
          {lives ? (
            <button type="button" class="main" disabled={busy || stopped}
              onClick={() => void stop()}>{words.stopFirst}</button>
          ) : (
            <button type="button" class="main" disabled={!fits || busy}
              onClick={(event) => void start(event.currentTarget)}>{words.start}</button>
          )}
        </Ends>
      </form>
    </Dialog>
  );
}
