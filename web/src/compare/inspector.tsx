/** Two agents that belong together, or one alone: figures of both, and their results by lines. */
import { useEffect, useState } from "preact/hooks";

import { get, type Answer } from "../api/api.ts";
import { Diff } from "../diff/index.ts";
import { Bounded } from "../parts/bounded.tsx";
import { causeText } from "../parts/cause.ts";
import { Loading } from "../parts/loading.tsx";
import { useSheet } from "../parts/sheet.ts";
import { State } from "../parts/state.tsx";
import { count, money, spentText, tookText } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { useNamed } from "../router/router.ts";
import { useRead, type Read } from "../state/read.ts";
import { lasted, textOf, type AgentRow, type Pair } from "./rules.ts";
import { nameOf } from "./row.tsx";
import { words } from "./words.ts";

interface Whole { prompt: string; result: string }

async function wholeOf(agent: AgentRow | null): Promise<Answer<Whole>> {
  if (agent === null) return { ok: true, value: { prompt: "", result: "" } };
  const answer = await get<{ spec: { prompt?: string }; result?: unknown }>(`/runs/${agent.id}`);
  if (!answer.ok) return answer;
  const { spec, result } = answer.value;
  return { ok: true,
    value: { prompt: spec.prompt ?? agent.prompt ?? "", result: textOf(result) } };
}

/** Read anew when one of the two has changed. */
const useWhole = ({ a, b }: Pair): Read<[Whole, Whole]> =>
  useRead<[Whole, Whole]>(`${a?.id} ${b?.id}`, { from: async () => {
    const [one, other] = await Promise.all([wholeOf(a), wholeOf(b)]);
    return !one.ok ? one : !other.ok ? other : { ok: true, value: [one.value, other.value] };
  } }, [a?.print, b?.print]);

function Changed({ before, after }: { before: string; after: string }) {
  const [patch, patchSet] = useState<string | null | undefined>(undefined);
  useEffect(() => {
    let here = true;
    import("./patch.ts").then(({ patchOf }) => here && patchSet(patchOf(before, after)),
      () => here && patchSet(null));
    return () => void (here = false);
  }, [before, after]);
  if (patch === undefined) return <Loading />;
  if (patch !== null) return <Diff patch={patch} />;
  return (
    <>
      <p class="muted">{words.tooFar}</p>
      {[before, after].map((text, at) => (
        <pre key={at} dir="auto" tabIndex={0}
          aria-label={at === 0 ? words.before : words.after}><Bounded text={text} /></pre>
      ))}
    </>
  );
}

function Texts({ name, pair: { a, b }, before, after }: {
  name: string; pair: Pair; before: string; after: string;
}) {
  const both = a !== null && b !== null, text = b === null ? before : after;
  return (
    <section>
      <h3>{name}</h3>
      {both && before !== after ? <Changed before={before} after={after} /> : (
        <>
          {both && text !== "" ? <p class="muted">{words.isSame}</p> : null}
          {text === "" ? <p class="muted">{words.noResult}</p>
            : <pre dir="auto" tabIndex={0} aria-label={name}><Bounded text={text} /></pre>}
        </>
      )}
    </section>
  );
}

function Figures({ pair: { a, b } }: { pair: Pair }) {
  const cell = (agent: AgentRow | null, text: (agent: AgentRow) => preact.ComponentChildren) =>
    (agent === null ? <td>{words.none}</td> : <td>{text(agent)}</td>);
  const rows: [string, (agent: AgentRow) => preact.ComponentChildren][] = [
    [words.rows.state, ({ state, cached, cause }) => (
      <State state={state} {...(cached ? { about: words.cached }
        : state !== "succeeded" && cause !== null && { about: causeText(cause) })} />
    )],
    [words.rows.time, (agent) => {
      const ms = lasted(agent);
      return ms === null ? words.none : tookText(ms);
    }],
    [words.rows.tokens, ({ tokens }) => count(tokens)],
    [words.rows.cost, ({ cost_micros, cost_unknown }) =>
      spentText(cost_micros, cost_unknown, money)],
    [words.model, ({ model }) => <bdi class="mono">{visible(model ?? words.none)}</bdi>],
  ];
  return (
    <table class="compare-table">
      <thead>
        <tr><th scope="col"><span class="hidden">{words.figures}</span></th>
          <th scope="col">{words.before}</th><th scope="col">{words.after}</th></tr>
      </thead>
      <tbody>
        {rows.map(([name, text]) => (
          <tr key={name}><th scope="row">{name}</th>{cell(a, text)}{cell(b, text)}</tr>
        ))}
      </tbody>
    </table>
  );
}

export function Inspector({ pair, runs, close, back }: {
  pair: Pair; runs: [string, string]; close(): void; back(): void;
}) {
  const button = useSheet(back);
  const named = useNamed(), { a, b, by } = pair, name = nameOf((b ?? a) as AgentRow);
  const { value: whole, problem } = useWhole(pair);
  const about = b === null ? words.aloneBefore : a === null ? words.aloneAfter
    : by === "label" ? words.byLabel : null;
  return (
    <aside class="inspector" aria-label={named(words.agent(name))}>
      <div class="inspector-title">
        <h2 class="mono clip" dir="auto">{name}</h2>
        <button class="quiet end" ref={button} aria-label={words.close} onClick={close}>
          ✕
        </button>
      </div>
      {about === null ? null : <p class="muted">{about}</p>}
      <Figures pair={pair} />
      <Trouble problem={problem} />
      {whole === null ? problem === null ? <Loading /> : null : (
        <>
          <Texts name={words.result} pair={pair} before={whole[0].result} after={whole[1].result} />
          <Texts name={words.prompt} pair={pair} before={whole[0].prompt} after={whole[1].prompt} />
        </>
      )}
      <div class="buttons">
        {[a, b].map((agent, at) => (agent === null ? null : (
          <a key={agent.id} class="button" href={`/r/${runs[at]}?agent=${agent.id}`}>
            {words.openOf(at === 0 ? words.before : words.after)}
          </a>
        )))}
      </div>
    </aside>
  );
}
