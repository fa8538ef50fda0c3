/** Without two runs in the address: which ones. */
import { useState } from "preact/hooks";

import type { Page, Run } from "../api/types.ts";
import { Loading } from "../parts/loading.tsx";
import { when } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import { now } from "../state/clock.ts";
import { useRead } from "../state/read.ts";
import { words as all } from "../words.ts";
import { words } from "./words.ts";

export function Choose({ a, b }: { a: string; b: string }) {
  const { replace } = useSeat();
  const { value, problem, again } =
    useRead<Page<Run>>("/runs?kind=workflow&top=1&limit=100"), rows = value?.items ?? null;
  const [chosen, chosenSet] = useState({ a, b });
  const textOf = ({ id, label, state, made_ms }: Run): string =>
    `${visible(label ?? id)} · ${all.states[state] ?? state} · ${when(made_ms, now.value)}`;
  const field = (side: "a" | "b", name: string) => (
    <label>
      <span>{name}</span>
      <select value={chosen[side]}
        onChange={(event) => chosenSet({ ...chosen, [side]: event.currentTarget.value })}>
        <option value="">{words.chooseNone}</option>
        {(rows ?? []).map((run) => <option key={run.id} value={run.id}>{textOf(run)}</option>)}
      </select>
    </label>
  );
  return (
    <div class="page compare-choose">
      <div class="head"><h1>{words.title}</h1></div>
      <p class="muted">{words.choose}</p>
      <Trouble problem={problem} retry={() => void again()} />
      {rows === null ? problem === null ? <Loading /> : null : rows.length < 2 ? (
        <div class="empty"><p>{words.few}</p>
          <p><a class="button" href="/runs">{words.runs}</a></p></div>
      ) : (
        <form onSubmit={(event) => {
          event.preventDefault();
          replace(`/compare?a=${chosen.a}&b=${chosen.b}`);
        }}>
          {field("a", words.before)}
          {field("b", words.after)}
          <button class="main" disabled={chosen.a === "" || chosen.b === ""}>{words.go}</button>
        </form>
      )}
    </div>
  );
}
