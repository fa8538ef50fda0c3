/** A workflow: what it does, the form that starts it with the plan before, and its source. */
import { useRef, useState } from "preact/hooks";

import { put, type Problem } from "../api/api.ts";
import { Bounded } from "../parts/bounded.tsx";
import { Loading } from "../parts/loading.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { beginning, visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import type { Params } from "../router/routes.ts";
import { may } from "../state/me.ts";
import { useRead } from "../state/read.ts";
import { Folder } from "./folder.tsx";
import { queryOf, useCheck, useDraft } from "./open.ts";
import type { Workflow as Flow } from "./rules.ts";
import { Source, type Save } from "./source.tsx";
import { StartForm } from "./start.tsx";
import { words } from "./words.ts";

const TEXT_MAX = 500;
const short = (text: unknown): string => visible(beginning(String(text ?? ""), TEXT_MAX));

function About({ flow }: { flow: Flow }) {
  const { description, when_to_use: when, phases, file, error } = flow;
  return (
    <div class="flow-about">
      {error === undefined ? null : (
        <p class="tone-fail">✕ <bdi>{words.broken(error.line, short(error.detail))}</bdi></p>
      )}
      <p dir="auto"><Bounded text={description} /></p>
      {when === undefined ? null : <p class="muted" dir="auto">{short(when)}</p>}
      {phases.length === 0 ? null : (
        <ol class="flow-phases" aria-label={words.phases}>
          {phases.map(({ title, detail, model }, at) => (
            <li key={at}>
              <bdi><b>{short(title)}</b></bdi>{" "}
              {detail === undefined ? null : <bdi class="muted">{short(detail)} </bdi>}
              {model === undefined ? null : <bdi class="muted mono">{short(model)}</bdi>}
            </li>
          ))}
        </ol>
      )}
      <p class="muted small"><bdi class="mono">{short(file)}</bdi></p>
    </div>
  );
}

/** null: its file is not one that can be written. */
function useSave(
  flow: Flow, root: string, text: string, onSaved: (text: string, as: Flow) => void): Save | null {
  const [problem, problemSet] = useState<Problem | null>(null);
  const now = async (): Promise<void> => {
    const answer = await put<Flow>(`/workflows/${encodeURIComponent(flow.name)}${queryOf(root)}`,
      { source: text, hash: flow.hash });
    problemSet(answer.ok ? null : answer.problem);
    if (answer.ok) onSaved(text, answer.value);
  };
  return may("run") && flow.origin !== "built-in" && flow.hash != null ? { now, problem } : null;
}

function One({ flow, root, again }: { flow: Flow; root: string; again: () => void }) {
  const draft = useDraft(flow, root), check = useCheck(draft.text, flow.file, root);
  const seat = useSeat();
  const save = useSave(flow, root, draft.text, (text, { name }) => {
    draft.saved(text);
    if (name === flow.name) return again();
    draft.discard(); // A broken script had the name of its file.
    seat.replace(`/workflows/${encodeURIComponent(name)}${queryOf(root)}`);
  });
  // While the script has errors, the form is that of the script before them.
  const schema = useRef(flow.args);
  if (!draft.edited) schema.current = flow.args;
  else if (check.verdict?.valid) schema.current = check.verdict.meta?.args;
  return (
    <div class="flow-columns">
      <div>
        <About flow={flow} />
        <Folder root={root} />
        <StartForm flow={flow} root={root} draft={draft} check={check} schema={schema.current} />
      </div>
      {flow.source == null ? <p class="tone-fail">{words.noSource}</p>
        : <Source draft={draft} check={check} save={save} />}
    </div>
  );
}

export function Workflow({ name = "" }: Params) {
  const { query } = useSeat(), root = query.value.get("root") ?? "";
  const { value, problem, again } =
    useRead<Flow>(`/workflows/${encodeURIComponent(name)}${queryOf(root)}`);
  return (
    <div class="page flow-page">
      <div class="head">
        <h1 class="clip" dir="auto">{visible(name)}</h1>
        {value === null ? null : (
          <span class="muted">{words.origins[value.origin] ?? value.origin}</span>
        )}
        <a class="end" href={`/workflows${queryOf(root)}`}>{words.all}</a>
      </div>
      <Trouble problem={problem} retry={again} />
      {problem !== null && value === null ? <Folder root={root} />
        : value === null ? <Loading />
          : <One key={`${root}\n${name}`} flow={value} root={root} again={again} />}
    </div>
  );
}
