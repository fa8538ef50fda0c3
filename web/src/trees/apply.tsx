/** Before a working tree is applied: what becomes of each file of the folder is said. */
import { useEffect, useRef, useState } from "preact/hooks";

import { post, type Problem } from "../api/api.ts";
import type { Tree, TreeApplied } from "../api/types.ts";
import { Plan } from "../changes/plan/plan.tsx";
import { Dialog, dialogEnd, Ends } from "../parts/dialog.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { words } from "./words.ts";

interface ApplyProps { tree: Tree; onClose(): void; done(said: string): void }

export function Apply({ tree: { id, name }, onClose, done }: ApplyProps) {
  const [plan, planSet] = useState<TreeApplied | null>(null);
  const [problem, problemSet] = useState<Problem | null>(null);
  const [forced, forcedSet] = useState<string[]>([]);
  const [busy, busySet] = useState(false);
  const here = useRef(true); // It was not closed meanwhile.
  useEffect(() => () => void (here.current = false), []);
  const path = `/worktrees/${id}/apply`;
  const read = async (): Promise<void> => {
    const answer = await post<TreeApplied>(path, { preview: true });
    if (!here.current) return;
    planSet(answer.ok ? answer.value : null);
    if (!answer.ok) problemSet(answer.problem);
  };
  const again = (): void => {
    problemSet(null);
    void read();
  };
  useEffect(() => void read(), []);
  const refused = (plan?.refused ?? []).map((one) => one.path);
  const force = forced.filter((one) => refused.includes(one));
  const files = plan === null ? 0 : plan.files.length + force.length;
  const isReady = plan !== null && files > 0 && force.length === refused.length;
  const take = async (button: Element): Promise<void> => {
    busySet(true);
    const answer = await post<TreeApplied>(path, { force });
    if (!here.current) return;
    busySet(false);
    problemSet(answer.ok ? null : answer.problem);
    if (!answer.ok) return void read(); // What was shown may be of before.
    dialogEnd(button);
    done(words.applied(answer.value.files.length));
  };
  return (
    <Dialog label={words.applyTitle(visible(name))} name="sheet-form" onClose={onClose}>
      <form onSubmit={(event) => event.preventDefault()}>
        <h2>{words.applyTitle(visible(name))}</h2>
        {plan === null ? (problem === null
          ? <p class="muted" role="status">{words.reading}</p> : null) : (
          <>
            <p class="muted">{words.applyAbout(visible(plan.root))}</p>
            <Plan plan={plan} words={words} forced={forced} force={(one, on) =>
              forcedSet((all) => (on ? [...all, one] : all.filter((other) => other !== one)))} />
          </>
        )}
        <Trouble problem={problem} retry={again} />
        <Ends cancel={words.cancel}>
          <button type="button" class="main" disabled={!isReady || busy}
            onClick={(event) => void take(event.currentTarget)}>
            {words.applyNow(files)}
          </button>
        </Ends>
      </form>
    </Dialog>
  );
}
