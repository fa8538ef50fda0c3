/** Flows and workflows that were started from the composer: their state, and a link to the run. */
import { useEffect } from "preact/hooks";

import { Brand } from "../parts/brand.tsx";
import { State } from "../parts/state.tsx";
import { visible } from "../parts/visible.ts";
import { useNamed } from "../router/router.ts";
import { useRead } from "../state/read.ts";
import { startedOf, startedSet, type Started as Row } from "./flows.ts";
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
