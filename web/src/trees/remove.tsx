/** Before working trees are removed: what would be lost is said, and is lost only where somebody
 *  says so. */
import { useEffect, useState } from "preact/hooks";

import { post, remove, type Problem } from "../api/api.ts";
import type { Tree, TreesPruned } from "../api/types.ts";
import { Dialog, dialogEnd, Ends } from "../parts/dialog.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { useTree } from "./reading.ts";
import { Lost } from "./row.tsx";
import { words } from "./words.ts";

interface RemoveProps { tree: Tree; onClose(): void; done(said: string): void }

export function Remove({ tree: { id, name }, onClose, done }: RemoveProps) {
  const { value, problem: unread, again } = useTree(id);
  const [problem, problemSet] = useState<Problem | null>(null);
  const [force, forceSet] = useState(false);
  const [busy, busySet] = useState(false);
  const lost = value?.lost ?? null;
  const holds = lost !== null && lost.files.length + lost.commits.length > 0;
  const isReady = value !== null && (force || !holds);
  const take = async (button: Element): Promise<void> => {
    busySet(true);
    const answer = await remove(`/worktrees/${id}${force ? "?force=true" : ""}`);
    busySet(false);
    problemSet(answer.ok ? null : answer.problem);
    if (!answer.ok) return void again();
    dialogEnd(button);
    done(words.removed(visible(name)));
  };
  return (
    <Dialog label={words.removeTitle(visible(name))} name="sheet-form" onClose={onClose}>
      <form onSubmit={(event) => event.preventDefault()}>
        <h2>{words.removeTitle(visible(name))}</h2>
        <p class="muted">{words.removeAbout}</p>
        {value === null ? (unread === null
          ? <p class="muted" role="status">{words.looking}</p> : null) : (
          <>
            {holds ? <p class="tone-wait">{words.removeHeld}</p> : null}
            <Lost tree={value} />
            {holds || problem?.code === "worktree_has_work" ? (
              <label class="check">
                <input type="checkbox" checked={force}
                  onChange={(event) => forceSet(event.currentTarget.checked)} />
                <span>{words.removeForce}</span>
              </label>
            ) : null}
          </>
        )}
        <Trouble problem={problem ?? unread} retry={() => void again()} />
        <Ends cancel={words.cancel}>
          <button type="button" class={force ? "bad" : "main"} disabled={!isReady || busy}
            onClick={(event) => void take(event.currentTarget)}>{words.removeNow}</button>
        </Ends>
      </form>
    </Dialog>
  );
}

interface PruneProps { project: string | null; onClose(): void; done(said: string): void }

export function Prune({ project, onClose, done }: PruneProps) {
  const [plan, planSet] = useState<TreesPruned | null>(null);
  const [problem, problemSet] = useState<Problem | null>(null);
  const [busy, busySet] = useState(false);
  const body = project === null ? {} : { project };
  const ask = async (preview: boolean): Promise<TreesPruned | null> => {
    problemSet(null);
    const answer = await post<TreesPruned>("/worktrees/prune", { ...body, preview });
    if (!answer.ok) problemSet(answer.problem);
    return answer.ok ? answer.value : null;
  };
  const read = (): void => void ask(true).then(planSet);
  useEffect(read, []);
  const take = async (button: Element): Promise<void> => {
    busySet(true);
    const answer = await ask(false);
    busySet(false);
    if (answer === null) return;
    dialogEnd(button);
    done(words.pruned(answer.removed.length));
  };
  return (
    <Dialog label={words.pruneTitle} name="sheet-form" onClose={onClose}>
      <form onSubmit={(event) => event.preventDefault()}>
        <h2>{words.pruneTitle}</h2>
        <p class="muted">{words.pruneAbout}</p>
        {plan === null ? (problem === null
          ? <p class="muted" role="status">{words.looking}</p> : null) : (
          <div class="tree-lost" tabIndex={0} role="group" aria-label={words.list}>
            {plan.removed.length === 0 ? <p>{words.pruneNone}</p> : (
              <ul>{plan.removed.map(({ tree, name }) => <li key={tree}>{visible(name)}</li>)}</ul>
            )}
            {plan.kept.length === 0 ? null : (
              <>
                <h3>{words.pruneKept}</h3>
                <ul>
                  {plan.kept.map(({ tree, name, why }) => (
                    <li key={tree}>
                      {visible(name)} <span class="muted small" dir="auto">{visible(why)}</span>
                    </li>
                  ))}
                </ul>
              </>
            )}
          </div>
        )}
        <Trouble problem={problem} retry={read} />
        <Ends cancel={words.cancel}>
          <button type="button" class="main" onClick={(event) => void take(event.currentTarget)}
            disabled={plan === null || plan.removed.length === 0 || busy}>
            {words.pruneNow(plan?.removed.length ?? 0)}
          </button>
        </Ends>
      </form>
    </Dialog>
  );
}
