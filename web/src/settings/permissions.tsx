/** The rules of each project: which calls are allowed, asked about or denied, and which folders. */
import { useState } from "preact/hooks";

import { post, type Problem } from "../api/api.ts";
import { Section } from "../parts/section.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { may } from "../state/me.ts";
import { useProjects } from "../state/projects.ts";
import { Editor } from "./editor.tsx";
import { draftOf, type Project } from "./rules.ts";
import { words } from "./words.ts";

function One({ project }: { project: Project }) {
  const { name, root, settings } = project, { rules, folders, edits } = draftOf(settings);
  const [opened, openedSet] = useState(false); // Once, since what is typed in it stays.
  return (
    <details data-project={name}
      onToggle={(event) => event.currentTarget.open && openedSet(true)}>
      <summary>
        <span class="mono" dir="auto">{visible(name)}</span>{" "}
        <span class="muted wrap" dir="auto">
          {words.summary(rules.length, folders.length, visible(edits).split("\n").join(" "))}
          {root === null ? "" : ` · ${visible(root)}`}
        </span>
      </summary>
      {opened ? <Editor project={project} /> : null}
      <p><a href={`/board/${encodeURIComponent(name)}`}>{words.toBoard}</a></p>
    </details>
  );
}

export function Permissions() {
  const { value, problem, again, more } = useProjects<Project>(); // A yes may write a rule, too.
  const projects = value?.items ?? null, next = value?.next ?? null;
  const [refused, refusedSet] = useState<Problem | null>(null);
  const [name, nameSet] = useState("");
  const add = async (event: Event): Promise<void> => {
    event.preventDefault();
    const answer = await post("/projects", { name: name.trim() });
    refusedSet(answer.ok ? null : answer.problem);
    if (!answer.ok) return;
    nameSet("");
    await again();
  };
  return (
    <>
      <section class="prose">
        <div class="head"><h2>{words.orderTitle}</h2></div>
        <ol>{words.order.map((line) => <li key={line}>{line}</li>)}</ol>
      </section>
      <Trouble problem={refused ?? problem} />
      {projects === null ? null : (
        <Section title={words.projects} count={projects.length}>
          {projects.length === 0 ? <p class="none">{words.noProjects}</p> : null}
          {projects.map((one) => <One key={one.name} project={one} />)}
          {next === null ? null : (
            <p><button class="quiet" onClick={more}>{words.more}</button></p>
          )}
        </Section>
      )}
      {may("run") ? (
        <form class="inline" onSubmit={(event) => void add(event)}>
          <label>{words.newProject}{" "}
            <input value={name} required autocomplete="off" spellcheck={false} dir="auto"
              onInput={(event) => nameSet(event.currentTarget.value)} />
          </label>{" "}
          <button>{words.addProject}</button>
        </form>
      ) : null}
    </>
  );
}
