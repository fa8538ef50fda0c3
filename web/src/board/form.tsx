/** A new task, or another text of one that is there. */
import { useState } from "preact/hooks";

import { patch, post, type Problem } from "../api/api.ts";
import type { Task } from "../api/types.ts";
import { Field, Form } from "../parts/form.tsx";
import { visible } from "../parts/visible.ts";
import {
  bodyOf, changeOf, fieldOf, FIELDS, localTime, type TaskField, valueOf,
} from "./fields.ts";
import { pathOf, type WholeTask } from "./rules.ts";
import { words } from "./words.ts";

const FIRST = FIELDS.filter(({ more }) => more === undefined);
const REST = FIELDS.filter(({ more }) => more === true);

/** `task` null: a new one. */
export function TaskForm({ project, task, close, done }: {
  project: string; task: WholeTask | null; close(): void; done(task: Task): void;
}) {
  const [problem, problemSet] = useState<Problem | null>(null);
  const bad = problem === null ? null : fieldOf(problem.detail);
  const field = (one: TaskField) => {
    const { name, lines, mono = false } = one;
    const [label = name, about = ""] = words.fields[name] ?? [];
    return (
      <Field key={name} name={name} label={label} about={about} value={valueOf(task, one)}
        required={name === "title"} mono={mono} {...(lines === undefined ? {} : { lines })}
        fault={bad === name ? visible(problem?.detail ?? "") : undefined} />
    );
  };
  const submit = (given: Record<string, string>) => {
    const body = bodyOf(given);
    if (task === null) return post<Task>(`/projects/${encodeURIComponent(project)}/tasks`, body);
    // The field has no seconds: who does not touch it changes nothing.
    const isSame = (given.not_before ?? "") === localTime(task.not_before_ms);
    const whole = isSame ? { ...body, not_before_ms: task.not_before_ms } : body;
    return patch<Task>(pathOf(task), changeOf(task, whole));
  };
  return (
    <Form<Task> title={task === null ? words.newTitle(project) : words.editTitle(task.name)}
      send={task === null ? words.create : words.save} cancel={words.cancel} close={close}
      submit={submit} done={done} beside={(given) => {
        problemSet(given);
        return given !== null && fieldOf(given.detail) !== null;
      }}>
      {FIRST.map(field)}
      <details class="board-more" open={REST.some(({ name }) => name === bad)}>
        <summary>{words.more}</summary>
        {REST.map(field)}
        <label>
          <span>{words.fields.plan?.[0]}</span>
          <select name="plan" defaultValue={task?.plan ?? "none"}>
            {["none", "required"].map((one) => <option key={one}>{one}</option>)}
          </select>
        </label>
        <label>
          <span>{words.fields.not_before?.[0]}</span>
          <input type="datetime-local" name="not_before"
            defaultValue={localTime(task?.not_before_ms ?? 0)} />
        </label>
      </details>
    </Form>
  );
}
