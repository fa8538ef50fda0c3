/** One job in the list. */
import type { Answer, Problem } from "../api/api.ts";
import type { Run } from "../api/types.ts";
import { Brand } from "../parts/brand.tsx";
import { whyOf } from "../parts/cause.ts";
import { State } from "../parts/state.tsx";
import { ago, elapsed } from "../parts/text.ts";
import { visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import { now } from "../state/clock.ts";
import { may } from "../state/me.ts";
import { again, stop } from "./actions.ts";
import { isLive, lasted, nameOf } from "./rules.ts";
import { words } from "./words.ts";

function aboutOf(job: Run): string | undefined {
  if (job.gate !== null) return words.gates[job.gate] ?? job.gate;
  return whyOf(job);
}

export function Row({ job, failed }: { job: Run; failed: (problem: Problem | null) => void }) {
  const { go } = useSeat();
  const name = visible(nameOf(job));
  const ran = lasted(job, now.value);
  const act = async (call: (id: string) => Promise<Answer<{ id: string } | unknown>>,
    then: (value: unknown) => void): Promise<void> => {
    const answer = await call(job.id);
    failed(answer.ok ? null : answer.problem);
    if (answer.ok) then(answer.value);
  };
  return (
    <div class="row job">
      <Brand id={job.id} />
      <a class="mono clip" data-row={job.id} href={`/j/${job.id}`} dir="auto">{name}</a>
      <State state={job.state} about={aboutOf(job)} />
      <span class="num">{ran === null ? "–" : elapsed(ran)}</span>
      <span class="num muted age">{ago(now.value - job.made_ms)}</span>
      {!may("run") ? <span /> : isLive(job.state) ? (
        <button class="quiet" aria-label={words.stopOf(name)}
          onClick={() => void act(stop, () => {})}>{words.stop}</button>
      ) : (
        <button class="quiet" aria-label={words.againOf(name)}
          onClick={() => void act(again, (run) => go(`/j/${(run as { id: string }).id}`))}>
          {words.again}
        </button>
      )}
    </div>
  );
}
