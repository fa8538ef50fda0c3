/** Named terminals as tabs, and the screen of that which the address names, else of the newest. */
import { useState } from "preact/hooks";

import { post, type Problem as Given } from "../api/api.ts";
import type { NamedTerminal } from "../api/types.ts";
import { isLive } from "../jobs/rules.ts";
import { Loading } from "../parts/loading.tsx";
import { State } from "../parts/state.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { useNamed, useSeat } from "../router/router.ts";
import type { Params } from "../router/routes.ts";
import { useKeys } from "../shell/keys.ts";
import { may } from "../state/me.ts";
import { Terminal } from "../terminal/terminal.tsx";
import { Forms, type Asked } from "./forms.tsx";
import { useTerminals } from "./list.ts";
import { words } from "./words.ts";

function Tabs({ items, chosen }: { items: NamedTerminal[]; chosen: NamedTerminal | null }) {
  const named = useNamed();
  return (
    <nav class="term-tabs" aria-label={named(words.list)}>
      {items.map((one) => (
        <a key={one.id} href={`/terminals/${one.id}`} dir="auto"
          aria-current={one.id === chosen?.id ? "page" : undefined}>{visible(one.name)}</a>
      ))}
    </nav>
  );
}

function Chosen({ terminal, ask }: { terminal: NamedTerminal; ask: (asked: Asked) => void }) {
  const [refused, refusedSet] = useState<Given | null>(null);
  const { id, run, state, command } = terminal;
  const live = state !== null && isLive(state);
  const again = async (): Promise<void> => {
    const answer = await post(`/terminals/${id}/restart`, {});
    refusedSet(answer.ok ? null : answer.problem);
  };
  return (
    <>
      <div class="title">
        {state === null ? null : <State state={state} />}
        {command === null ? null : (
          <code class="clip" dir="auto">{visible(command).slice(0, 300)}</code>
        )}
        {state === null ? null : <a href={`/j/${run}`}>{words.job}</a>}
        {!may("run") ? null : (
          <span class="buttons end">
            {live ? null : (
              <button class="main" onClick={() => void again()}>{words.again}</button>
            )}
            <button onClick={() => ask("rename")}>{words.rename}</button>
            <button onClick={() => ask("close")}>{words.close}</button>
          </span>
        )}
      </div>
      <Trouble problem={refused} />
      {state === null ? <p class="none">{words.gone}</p> : (
        <Terminal key={run} place={{ run, attempt: 1, stream: "pty" }} live={live}
          waits={state === "queued"} />
      )}
    </>
  );
}

export function Terminals({ id }: Params) {
  const { go } = useSeat();
  const { value: items, problem, again } = useTerminals();
  const [asked, ask] = useState<Asked>(null);
  const all = items ?? [];
  const chosen = (id === undefined ? all.at(-1) : all.find((one) => one.id === id)) ?? null;
  const move = (by: 1 | -1): void => {
    const at = all.findIndex((one) => one.id === chosen?.id) + by;
    const next = all[(at + all.length) % Math.max(1, all.length)];
    if (next !== undefined) go(`/terminals/${next.id}`);
  };
  useKeys([
    { name: "earlier", run: () => move(-1) },
    { name: "later", run: () => move(1) },
    ...(may("run") ? [{ name: "newTerminal" as const, run: () => ask("add") }] : []),
  ]);
  return (
    <div class="page job-page terminals">
      <header class="head">
        <h1>{words.title}</h1>
        <Tabs items={all} chosen={chosen} />
        {may("run") ? (
          <button class="main end" onClick={() => ask("add")}>{words.add}</button>
        ) : null}
      </header>
      <Trouble problem={problem} retry={() => void again()} />
      {items === null && problem === null ? <Loading /> : null}
      {items !== null && items.length === 0 ? (
        <div class="empty">
          <p>{words.empty}</p>
          <p class="muted">{words.emptyNext}</p>
          <pre>{words.emptyCommand}</pre>
        </div>
      ) : null}
      {chosen === null && all.length > 0 ? <p class="none">{words.unknown}</p> : null}
      {chosen === null ? null : <Chosen key={chosen.id} terminal={chosen} ask={ask} />}
      <Forms asked={asked} chosen={chosen} close={() => ask(null)} />
    </div>
  );
}
