/** What waits for a person and is no question of a run: of a board, mail, a budget, a delivery, an
 *  agent that cools down. */
import type { Wait } from "../api/types.ts";
import { now } from "../state/clock.ts";
import type { DeskRow } from "../state/desk.ts";
import { order } from "../state/home.ts";
import { may } from "../state/me.ts";
import { words as all } from "../words.ts";
import { Brand } from "./brand.tsx";
import { ago } from "./text.ts";
import { factsOf, headlineOf, placeOfWait } from "./waits.ts";

const words = all.waits;

function Acts({ wait, name }: { wait: Wait; name: string }) {
  const place = placeOfWait(wait), label = words.acts[wait.kind] ?? words.open;
  if (place !== null) {
    return <a class="button" href={place} aria-label={`${label}: ${name}`}>{label}</a>;
  }
  return may("run") ? (
    <>
      <button aria-label={`${all.deliver}: ${name}`}
        onClick={() => void order(`/inbox/${wait.id}/retry`)}>{all.deliver}</button>
      <button class="quiet" aria-label={`${all.drop}: ${name}`}
        onClick={() => void order(`/inbox/${wait.id}/drop`)}>{all.drop}</button>
    </>
  ) : null;
}

export function WaitRow({ row, wait, selected }: {
  row: DeskRow; wait: Wait; selected: boolean;
}) {
  const name = headlineOf(wait), tone = row.over ? "queued" : "wait", place = placeOfWait(wait);
  return (
    <article class={`row ask${selected ? " sel" : ""}`} data-row={row.id} tabIndex={-1}
      aria-label={name} aria-current={selected}>
      <Brand id={wait.session ?? wait.id} />
      <div class="what">
        <span class="clip" dir="auto">
          <span class={`tone-${tone}`} aria-hidden="true">◆ </span>
          {place === null ? name : <a class="name" href={place}>{name}</a>}
        </span>
        <span class="muted clip">
          {factsOf(wait).map((fact) => <span key={fact}><bdi>{fact}</bdi>{" · "}</span>)}
          {ago(now.value - row.since_ms)}
          {row.over ? ` · ${words.over}` : null}
        </span>
      </div>
      <div class="acts"><Acts wait={wait} name={name} /></div>
    </article>
  );
}
