/** One run in the list. */
import { lasted, nameOf } from "../jobs/rules.ts";
import { Brand } from "../parts/brand.tsx";
import { whyOf } from "../parts/cause.ts";
import { State } from "../parts/state.tsx";
import { ago, elapsed, money } from "../parts/text.ts";
import { visible } from "../parts/visible.ts";
import { now } from "../state/clock.ts";
import { progress } from "../state/home.ts";
import { may } from "../state/me.ts";
import { words as all } from "../words.ts";
import { placeOf, type RunRow } from "./rules.ts";
import { words } from "./words.ts";

export const titleOf = (run: RunRow): string => visible(nameOf(run));

function aboutOf(run: RunRow): string | undefined {
  const figures = run.ended_ms ? undefined : progress.value.get(run.id) ?? run.progress;
  if (figures !== undefined && figures.total > 0) return all.progress(figures);
  if (run.gate !== null && run.gate !== undefined) return words.gates[run.gate] ?? run.gate;
  return whyOf(run);
}

/** Never without its unknown part. */
function Cost({ cost_micros: cost = null, cost_unknown: unknown = 0 }: RunRow) {
  if (cost === null && unknown === 0) return <span class="num cost" />;
  return (
    <span class="num cost">
      {cost === null ? "" : money(cost)}
      {unknown === 0 ? null : (
        <span class="tone-degraded">
          {" "}<span aria-hidden="true">{words.unknownCost(unknown)}</span>
          <span class="hidden">{words.unknownCostAbout(unknown)}</span>
        </span>
      )}
    </span>
  );
}

/** A click leaves the focus where shortcuts count. */
const stay = (event: Event): void => event.preventDefault();

export function Row({ run, selected, picked, pick }: {
  run: RunRow; selected: boolean; picked: boolean; pick(id: string): void;
}) {
  const title = titleOf(run), place = placeOf(run), ran = lasted(run, now.value);
  return (
    <div class={`row run${selected ? " sel" : ""}${may("run") ? "" : " read"}`} data-row={run.id}
      tabIndex={-1} aria-current={selected}>
      {may("run") ? (
        <label class="pick" onMouseDown={stay}>
          <span class="hidden">{words.pick(title)}</span>
          <input type="checkbox" checked={picked} onChange={() => pick(run.id)} />
        </label>
      ) : null}
      <Brand id={run.id} />
      {place === null ? (
        <span class="name mono clip" dir="auto">{title}</span>
      ) : <a class="name mono clip" href={place} dir="auto">{title}</a>}
      <span class="muted kind">{all.kinds[run.kind] ?? run.kind}</span>
      <State state={run.state} about={aboutOf(run)} />
      <Cost {...run} />
      <span class="num ran">{ran === null ? "–" : elapsed(ran)}</span>
      <span class="num muted age">{ago(now.value - run.made_ms)}</span>
    </div>
  );
}
