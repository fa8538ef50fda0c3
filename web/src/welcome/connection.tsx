/** Step 1: which connection, with which key, and whether it works. */
import { useState } from "preact/hooks";

import { patch, post, type Problem } from "../api/api.ts";
import type { Connection, Page, Tested } from "../api/types.ts";
import { Loading } from "../parts/loading.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { connectionsRead } from "../state/models.ts";
import { useRead } from "../state/read.ts";
import { ConnectionForm, type Filled } from "./form.tsx";
import { words } from "./words.ts";

export interface Chosen { name: string; kind: string; model: string | null }

interface Choice { name: string; title: string; about: string; known: Connection | null }

/** Pure: what is there first, then what needs a key, then any other server, and the demo. */
export function choicesOf(connections: Connection[]): Choice[] {
  const there = connections.filter(({ kind }) => kind !== "scripted").map((known) => ({
    name: known.name, title: known.name, about: words.found(known.origin), known }));
  const names = new Set(there.map(({ name }) => name));
  const keyed = words.providers.filter(({ name }) => !names.has(name))
    .map(({ name, title }) => ({ name, title, about: words.withKey, known: null }));
  const scripted = connections.find(({ kind }) => kind === "scripted");
  return [
    ...there, ...keyed,
    { name: "", title: words.other, about: words.otherAbout, known: null },
    ...(scripted === undefined ? []
      : [{ name: scripted.name, title: words.demo, about: words.demoAbout, known: scripted }]),
  ];
}

function Result({ tested }: { tested: Tested }) {
  if (tested.ok) {
    return (
      <p role="status"><span class="tone-ok" aria-hidden="true">✓ </span>
        {words.works(tested.model ?? tested.name, tested.latency_ms ?? 0)}</p>
    );
  }
  return (
    <p role="alert" class="tone-fail"><span aria-hidden="true">✕ </span>
      {words.fails(tested.cause ?? "")} <span dir="auto">{visible(tested.detail ?? "")}</span></p>
  );
}

export function ConnectionStep({ onWorks }: { onWorks(chosen: Chosen | null): void }) {
  const { value, problem: unread, again } =
    useRead<Page<Connection>>("", { from: connectionsRead });
  const connections = value?.items ?? null;
  const [at, atSet] = useState<string | null>(null);
  const [problem, problemSet] = useState<Problem | null>(null);
  const [busy, busySet] = useState(false);
  const [tested, testedSet] = useState<Tested | null>(null);

  const test = async (name: string, kind: string, model: string | null): Promise<void> => {
    const answer = await post<Tested>(`/providers/${encodeURIComponent(name)}/test`,
      model === null ? {} : { model });
    if (!answer.ok) return problemSet(answer.problem);
    testedSet(answer.value);
    if (answer.value.ok) onWorks({ name, kind, model: answer.value.model });
  };
  const begin = async (work: () => Promise<void>): Promise<void> => {
    problemSet(null);
    testedSet(null);
    onWorks(null);
    busySet(true);
    await work();
    busySet(false);
  };
  const connect = ({ name, base_url, key, model }: Filled): Promise<void> => begin(async () => {
    const isSet = connections?.some((one) => one.name === name && one.origin === "set");
    const fields = {
      ...(base_url === null ? {} : { base_url }), ...(key === "" ? {} : { key }),
      ...(model === null ? {} : { models: [model] }),
    };
    const answer = isSet
      ? await patch<Connection>(`/providers/${encodeURIComponent(name)}`, fields)
      : await post<Connection>("/providers",
        { name, ...(base_url === null ? {} : { kind: "openai" }), ...fields });
    if (!answer.ok) return problemSet(answer.problem);
    await test(name, answer.value.kind, model);
    await again();
  });

  if (connections === null) { // No choice moves under the finger when they come.
    return unread === null ? <Loading />
      : <Trouble problem={unread} retry={() => void again()} />;
  }
  const choices = choicesOf(connections);
  const choice = choices.find(({ title }) => title === at);
  return (
    <fieldset class="step" aria-busy={busy}>
      <legend><h2>{words.step(1, words.stepConnection)}</h2></legend>
      {choices.map(({ title, about }) => (
        <label key={title} class="row choice">
          <input type="radio" name="connection" checked={title === at}
            onChange={() => {
              atSet(title);
              testedSet(null);
              problemSet(null);
            }} />
          <span dir="auto">{title}</span>
          <span class="muted">{about}</span>
        </label>
      ))}
      {choice === undefined ? null : choice.known !== null ? (
        <p><button class="main" disabled={busy} onClick={() => void begin(() =>
          test(choice.name, choice.known?.kind ?? "", null))}>{words.test}</button></p>
      ) : <ConnectionForm key={choice.title} name={choice.name} busy={busy} onFilled={connect} />}
      {busy ? <p role="status" class="muted">{words.testing}</p> : null}
      <Trouble problem={problem} />
      {tested === null ? null : <Result tested={tested} />}
    </fieldset>
  );
}
