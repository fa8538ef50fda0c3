/** Flows that were started from the composer, each with its state and a link to its run. */
import { useEffect } from "preact/hooks";

import { Brand } from "../parts/brand.tsx";
import { State } from "../parts/state.tsx";
import { visible } from "../parts/visible.ts";
import { useNamed } from "../router/router.ts";
import { useRead } from "../state/read.ts";
import { startedOf, startedSet, type Offer, type Started as Row } from "./flows.ts";
import { words } from "./words.ts";

/** Its state; "": not known yet. */
function useStateOf(session: string, run: string): string {
  const { value, problem } = useRead<{ state: string }>(`/runs/${run}`, {
    after: ({ type, data }) => type === "run_changed" && (data as { id?: string }).id === run });
  useEffect(() => {
    if (problem?.status === 404) drop(session, run);
  }, [problem]);
  return value?.state ?? "";
}
const drop = (session: string, run: string): void =>
  startedSet(session, (list) => list.filter((one) => one.run !== run));

function One({ session, row: { run, name } }: { session: string; row: Row }) {
  const state = useStateOf(session, run), shown = visible(name);
  return (
    <li>
      <Brand id={run} />
      <a class="clip mono" href={`/r/${run}`} dir="auto">{shown}</a>
      {state === "" ? null : <State state={state} />}
      <span class="acts">
        <button class="quiet" aria-label={words.dismissOf(shown)}
          onClick={() => drop(session, run)}>{words.dismiss}</button>
      </span>
    </li>
  );
}

export function Started({ session }: { session: string }) {
  const list = startedOf(session).value, named = useNamed();
  if (list.length === 0) return null;
  return (
    <section class="queue started" aria-label={named(words.started)}>
      <ol>{list.map((row) => <One key={row.run} session={session} row={row} />)}</ol>
    </section>
  );
}

const OFFERS_MAX = 10, ABOUT_MAX = 200;

/** Commands and flows whose name begins with what was typed. */
export function Offers({ offers, begun, take }: {
  offers: readonly Offer[]; begun: string; take(name: string): void;
}) {
  const named = useNamed(), fitting = offers.filter(({ name }) => name.startsWith(begun));
  if (fitting.length === 0) return null;
  return (
    <section class="queue offers" aria-label={named(words.offers)}>
      <ol>
        {fitting.slice(0, OFFERS_MAX).map(({ name, description }) => (
          <li key={name}>
            <button class="quiet mono" onClick={() => take(name)}>/{visible(name)}</button>
            <span class="muted clip" dir="auto">{visible(description.slice(0, ABOUT_MAX))}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
