/** Before something is done with several runs: with which, and how many; after it, what became of
 *  each. */
import { useEffect, useState } from "preact/hooks";

import { post, type Problem } from "../api/api.ts";
import type { Outcome } from "../api/types.ts";
import { Brand } from "../parts/brand.tsx";
import { Dialog, dialogEnd, Ends } from "../parts/dialog.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { titleOf } from "./row.tsx";
import { batches, fitting, type Action, type RunRow } from "./rules.ts";
import { words } from "./words.ts";

export interface Wish { action: Action; rows: RunRow[] }

function OutcomeOf({ outcome, action }: { outcome: Outcome; action: Action }) {
  if (outcome.ok) return <span class="tone-ok">✓ {words.done[action]}</span>;
  return (
    <span class="tone-fail" dir="auto">
      ✕ {visible(outcome.detail ?? "")} <code>{outcome.code}</code>
    </span>
  );
}

/** `done`: a sentence about all of them, and the rows that were removed. */
export function Bulk({ action, rows, close, done }: Wish & {
  close(): void; done(result: string, gone: string[]): void;
}) {
  const [fit] = useState(() => fitting(rows, action));
  const [outcomes, outcomesSet] = useState<ReadonlyMap<string, Outcome> | null>(null);
  const [busy, busySet] = useState(false);
  const [problem, problemSet] = useState<Problem | null>(null);
  const [over, overSet] = useState<HTMLElement | null>(null);
  const left = rows.length - fit.length, count = fit.length;
  const send = async (button: HTMLElement): Promise<void> => {
    busySet(true);
    const told = new Map<string, Outcome>();
    let refused: Problem | null = null;
    for (const ids of batches(fit.map(({ id }) => id))) {
      const answer = await post<{ items: Outcome[] }>("/runs/bulk", { action, ids });
      if (answer.ok) answer.value.items.forEach((one) => told.set(one.id, one));
      else refused = answer.problem;
      if (!answer.ok) break;
    }
    busySet(false);
    problemSet(refused);
    outcomesSet(told);
    const good = [...told.values()].filter(({ ok }) => ok).map(({ id }) => id);
    done(words.result(action, good.length, count), action === "remove" ? good : []);
    if (refused === null && good.length === count) dialogEnd(button);
    else overSet(button.closest("dialog"));
  };
  useEffect(() => over?.querySelector<HTMLElement>(".buttons button")?.focus(), [over]);
  return (
    <Dialog label={words.questions[action](count)} name="bulk" onClose={close}>
      <h2>{words.questions[action](count)}</h2>
      <p class="muted">{count === 0 ? words.nothing(action) : words.abouts[action]}</p>
      {left > 0 && count > 0 ? <p class="tone-degraded">{words.leftOut(action, left)}</p> : null}
      {count === 0 ? null : (
        <ol tabIndex={0} aria-label={words.questions[action](count)}>
          {fit.map((run) => {
            const outcome = outcomes?.get(run.id);
            return (
              <li key={run.id}>
                <Brand id={run.id} />
                <span class="mono clip" dir="auto">{titleOf(run)}</span>
                {outcome === undefined ? null : <OutcomeOf outcome={outcome} action={action} />}
              </li>
            );
          })}
        </ol>
      )}
      <Trouble problem={problem} />
      <Ends cancel={outcomes === null && count > 0 ? words.cancel : words.close}>
        {outcomes !== null || count === 0 ? null : (
          <button class="main" autoFocus disabled={busy}
            onClick={({ currentTarget }) => void send(currentTarget)}>
            {words.act(action, count)}
          </button>
        )}
      </Ends>
    </Dialog>
  );
}
