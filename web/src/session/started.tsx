/** Flows that were started from the composer, each with its state and a link to its run. */
import { useEffect, useState } from "preact/hooks";

import { get } from "../api/api.ts";
import { Brand } from "../parts/brand.tsx";
import { State } from "../parts/state.tsx";
import { visible } from "../parts/visible.ts";
import { useNamed } from "../router/router.ts";
import { followOwner } from "../state/owner.ts";
import { startedOf, startedSet, type Offer, type Started as Row } from "./flows.ts";
import { words } from "./words.ts";

interface Change { id: string; state: string }

/** Its state; "": not known yet. */
function useStateOf(session: string, run: string): string {
  const [state, stateSet] = useState("");
  useEffect(() => {
    let here = true;
    const read = async (): Promise<void> => {
      const answer = await get<{ state: string }>(`/runs/${run}`);
      if (!here) return;
      if (answer.ok) stateSet(answer.value.state);
      else if (answer.problem.status === 404) drop(session, run);
    };
    const end = followOwner({
      onReset: () => void read(), // Also at once.
      onEvents: (events) => {
        const ours = events.map(({ type, data }) => ({ type, ...data as Partial<Change> }))
          .filter(({ type, id }) => type === "run_changed" && id === run).at(-1);
        if (ours?.state !== undefined) stateSet(ours.state);
      },
    });
    return () => {
      here = false;
      end();
    };
  }, [run]);
  return state;
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
