/** A session begins here: what is asked, in which project, and who answers. What was chosen last is
 *  chosen again. */
import { useState } from "preact/hooks";

import type { Problem } from "../api/api.ts";
import { Trouble } from "../parts/trouble.tsx";
import { useModelChoices } from "../parts/named.tsx";
import { Picker } from "../parts/picker.tsx";
import { useNamed, useSeat } from "../router/router.ts";
import { sessionBegin } from "../sessions/begin.ts";
import { draftKeep, draftOf, storageRead, storageSet } from "../state/draft.ts";
import { useAgents } from "../state/models.ts";
import { useProjects } from "../state/projects.ts";
import { settings } from "../state/system.ts";
import { words } from "./words.ts";

const CHOSEN = "drover.begin", DRAFT = "begin";

interface Chosen { project: string; by: string }

function chosenRead(): Chosen {
  const { project, by } = (storageRead(CHOSEN) ?? {}) as Partial<Chosen>;
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  return { project: text(project), by: text(by) };
}

/** "agent NAME" or "model NAME"; "": the default. */
function answererOf(by: string): { agent?: string; model?: string } {
  const [kind, ...name] = by.split(" ");
  return kind === "agent" ? { agent: name.join(" ") } : kind === "model"
    ? { model: name.join(" ") } : {};
}

export function Composer() {
  const { go } = useSeat(), named = useNamed(), projects = useProjects().value?.items ?? [];
  const models = useModelChoices(), agents = useAgents(), fallback = settings.value?.model ?? null;
  const [chosen, chosenSet] = useState(chosenRead);
  const [text, textSet] = useState(() => draftOf(DRAFT));
  const [problem, problemSet] = useState<Problem | null>(null), [busy, busySet] = useState(false);
  const rooted = projects.filter(({ root }) => root !== null && root !== "");
  const project = rooted.find(({ name }) => name === chosen.project);
  const known = [
    ...agents.map((name) => ({ value: `agent ${name}`, text: name, group: words.programs })),
    ...models.map((one) => ({ ...one, value: `model ${one.value}` })),
  ];
  const by = known.some(({ value }) => value === chosen.by) ? chosen.by : "";
  const choose = (more: Partial<Chosen>): void => {
    const now = { ...chosen, ...more };
    chosenSet(now);
    storageSet(CHOSEN, now);
  };
  const write = (now: string): void => {
    draftKeep(DRAFT, now, text);
    textSet(now);
  };
  const begin = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy || text.trim() === "") return;
    busySet(true);
    const answer = await sessionBegin(
      { ...answererOf(by), ...(project?.root && { root: project.root, project: project.name }) },
      text);
    busySet(false);
    problemSet(answer.ok ? null : answer.problem);
    if (!answer.ok) return;
    write("");
    go(`/s/${answer.value.id}`);
  };
  return (
    <form class="begin" aria-label={named(words.begin)} onSubmit={(event) => void begin(event)}>
      <textarea rows={2} dir="auto" aria-label={words.first} placeholder={words.placeholder}
        value={text} onInput={(event) => write(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
          event.preventDefault();
          event.currentTarget.form?.requestSubmit();
        }} />
      <div class="controls">
        <Picker class="quiet" label={words.project} value={project?.name ?? ""}
          choices={[{ value: "", text: words.noFolder }, ...rooted.map(({ name, root }) =>
            ({ value: name, text: `${name} · ${root}` }))]}
          pick={(name) => choose({ project: name })} />
        <Picker class="quiet" label={words.answerer} value={by}
          choices={[{ value: "", text: words.byDefault(fallback) }, ...known]}
          pick={(one) => choose({ by: one })} />
        <button class="main end" disabled={busy || text.trim() === ""}>{words.beginButton}</button>
      </div>
      <Trouble problem={problem} />
    </form>
  );
}
