/** The rules of one project, edited as a draft that is saved whole. What was changed elsewhere
 *  meanwhile is never overwritten unasked. */
import { useEffect, useId, useRef, useState } from "preact/hooks";

import { get, patch, type Problem } from "../api/api.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { may } from "../state/me.ts";
import {
  added, draftOf, isSame, moved, PERMISSIONS, ruleAt, settingsOf, type Draft, type Project,
  type ProjectSettings,
} from "./rules.ts";
import { words } from "./words.ts";

type Rule = Draft["rules"][number];

interface RuleProps {
  rule: Rule; at: number; isBad: boolean; onRule(rule: Rule): void;
  onMove(by: -1 | 1): void; onRemove(): void;
}

function RuleRow({ rule, at, isBad, onRule, onMove, onRemove }: RuleProps) {
  const number = at + 1, bad = { "aria-invalid": isBad || undefined };
  const shared = { dir: "auto" as const, autocomplete: "off", spellcheck: false, class: "mono",
    ...bad };
  return (
    <li class="rule" data-rule={rule.id} aria-label={words.rule(number)}>
      <select aria-label={words.permission(number)} value={rule.permission} {...bad}
        onChange={(event) => onRule({ ...rule, permission: event.currentTarget.value })}>
        {PERMISSIONS.map((one) => <option key={one} value={one}>{one}</option>)}
      </select>
      <input aria-label={words.tool(number)} placeholder={words.everyTool} value={rule.tool}
        {...shared} onInput={(event) => onRule({ ...rule, tool: event.currentTarget.value })} />
      <input aria-label={words.subject(number)} placeholder={words.everySubject}
        value={rule.subject} {...shared}
        onInput={(event) => onRule({ ...rule, subject: event.currentTarget.value })} />
      <span class="buttons">
        <button type="button" class="quiet" data-by="-1" aria-label={words.up(number)}
          onClick={() => onMove(-1)}>↑</button>
        <button type="button" class="quiet" data-by="1" aria-label={words.down(number)}
          onClick={() => onMove(1)}>↓</button>
        <button type="button" class="quiet" aria-label={words.removeRule(number)}
          onClick={onRemove}>{words.remove}</button>
      </span>
    </li>
  );
}

interface PartProps { draft: Draft; onDraft(draft: Draft): void }

function Folders({ draft, onDraft }: PartProps) {
  if (draft.folders.length === 0) return null;
  const set = (folders: Draft["folders"]): void => onDraft({ ...draft, folders });
  return (
    <>
      <h3>{words.folders}</h3>
      <p class="muted small">{words.foldersAbout}</p>
      {draft.folders.map((folder) => (
        <div key={folder.path} class="folder">
          <span class="mono wrap" dir="auto">{visible(folder.path)}</span>
          <select aria-label={words.access(folder.path)} value={folder.access}
            onChange={(event) => set(draft.folders.map((one) =>
              (one === folder ? { ...one, access: event.currentTarget.value } : one)))}>
            <option value="read">read</option>
            <option value="write">write</option>
          </select>
          <button type="button" class="quiet" aria-label={words.removeFolder(folder.path)}
            onClick={() => set(draft.folders.filter((one) => one !== folder))}>
            {words.remove}
          </button>
        </div>
      ))}
    </>
  );
}

function ReadOnly({ draft }: { draft: Draft }) {
  return (
    <>
      <ol>
        {draft.rules.map(({ id, permission, tool, subject }) => (
          <li key={id} class="mono wrap" dir="auto">
            {permission} {visible(tool || words.everyTool)} {visible(subject || words.everySubject)}
          </li>
        ))}
      </ol>
      {draft.edits === "" ? null : (
        <p>{words.edits}: <code class="wrap" dir="auto">{visible(draft.edits)}</code></p>
      )}
      {draft.folders.map(({ path, access }) => (
        <p key={path}>{access} <code class="wrap" dir="auto">{visible(path)}</code></p>
      ))}
    </>
  );
}

export function Editor({ project }: { project: Project }) {
  const { name } = project, path = `/projects/${encodeURIComponent(name)}`;
  const [draft, draftSet] = useState<Draft | null>(null); // null: as it is stored.
  const base = useRef<ProjectSettings | null>(project.settings); // What the draft began with.
  const [problem, problemSet] = useState<Problem | null>(null);
  const [conflict, conflictSet] = useState<ProjectSettings | null>(null);
  const [saved, savedSet] = useState(false);
  const form = useRef<HTMLFormElement>(null), focus = useRef<string | null>(null);
  const id = useId();
  useEffect(() => {
    if (focus.current !== null) form.current?.querySelector<HTMLElement>(focus.current)?.focus();
    focus.current = null;
  });
  const now = draft ?? draftOf(project.settings);
  if (!may("run")) return <ReadOnly draft={now} />;
  const change = (next: Draft): void => {
    if (draft === null) base.current = project.settings;
    draftSet(next);
    savedSet(false);
  };
  const drop = (): void => {
    draftSet(null);
    problemSet(null);
    conflictSet(null);
    focus.current = ".add"; // The button that was pressed leaves.
  };
  const save = async (over: boolean): Promise<void> => {
    const stored = await get<Project>(path);
    if (!stored.ok) return problemSet(stored.problem);
    if (!over && !isSame(stored.value.settings, base.current)) {
      return conflictSet(stored.value.settings ?? {});
    }
    const answer = await patch<Project>(path, { settings: settingsOf(now) });
    problemSet(answer.ok ? null : answer.problem);
    conflictSet(null);
    if (!answer.ok) return;
    project.settings = answer.value.settings; // The event of the stream says the same.
    base.current = project.settings;
    draftSet((typed) => (typed === draft ? null : typed)); // What was typed meanwhile stays.
    savedSet(true);
  };
  const bad = problem === null ? null : ruleAt(problem.detail);
  return (
    <form ref={form} class="rules" onSubmit={(event) => {
      event.preventDefault();
      void save(false);
    }}>
      <p class="muted small">{words.rulesAbout}</p>
      <ol>
        {now.rules.map((rule, at) => (
          <RuleRow key={rule.id} rule={rule} at={at} isBad={bad === at}
            onRule={(next) => change({ ...now,
              rules: now.rules.map((one) => (one.id === rule.id ? next : one)) })}
            onMove={(by) => {
              focus.current = `[data-rule="${rule.id}"] [data-by="${by}"]`;
              change({ ...now, rules: moved(now.rules, at, by) });
            }}
            onRemove={() => {
              focus.current = ".add";
              change({ ...now, rules: now.rules.filter((one) => one.id !== rule.id) });
            }} />
        ))}
      </ol>
      <p><button type="button" class="quiet add" onClick={() => {
        const next = added(now);
        focus.current = `[data-rule="${next.rules.at(-1)?.id}"] select`;
        change(next);
      }}>{words.addRule}</button></p>
      <label for={id}>{words.edits}</label>
      <textarea id={id} rows={2} class="mono" dir="auto" spellcheck={false} value={now.edits}
        aria-describedby={`${id}-about`}
        aria-invalid={problem?.detail.includes('"edits"') || undefined}
        onInput={(event) => change({ ...now, edits: event.currentTarget.value })} />
      <span id={`${id}-about`} class="muted small">{words.editsAbout}</span>
      <Folders draft={now} onDraft={change} />
      <Trouble problem={problem} />
      {conflict === null ? null : (
        <div role="alert">
          <p class="tone-wait">◆ {words.rulesElsewhere}</p>
          <ReadOnly draft={draftOf(conflict)} />
          <p>
            <button type="button" onClick={drop}>{words.rulesTheirs}</button>{" "}
            <button type="button" class="bad" onClick={() => void save(true)}>
              {words.rulesMine}
            </button>
          </p>
        </div>
      )}
      {draft === null || conflict !== null ? null : (
        <p>
          <button class="main" aria-label={words.saveRules(name)}>{words.save}</button>{" "}
          <button type="button" class="quiet" aria-label={words.dropRules(name)} onClick={drop}>
            {words.drop}
          </button>
        </p>
      )}
      {saved && draft === null ? <p role="status" class="tone-ok">✓ {words.saved}</p> : null}
    </form>
  );
}
