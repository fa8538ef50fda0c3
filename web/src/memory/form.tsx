/** A memory that a person stores. */
import { useState } from "preact/hooks";

import { post, type Problem } from "../api/api.ts";
import type { Memory } from "../api/types.ts";
import { Field, Form } from "../parts/form.tsx";
import { ProjectField } from "../parts/named.tsx";
import { visible } from "../parts/visible.ts";
import { bodyOf, fieldOf, type MemoryFilter } from "./rules.ts";
import { words } from "./words.ts";

const CONTENT_LINES = 6;

export function MemoryForm({ filter, close, done }: {
  filter: MemoryFilter; close(): void; done(memory: Memory): void;
}) {
  const [problem, problemSet] = useState<Problem | null>(null);
  const bad = problem === null ? null : fieldOf(problem.detail);
  const fault = (name: string): { fault?: string } =>
    (problem !== null && bad === name ? { fault: visible(problem.detail) } : {});
  return (
    <Form<Memory> title={words.add} send={words.save} cancel={words.cancel} close={close}
      submit={(given) => post("/memory", bodyOf(given))} done={done}
      beside={(given) => {
        problemSet(given);
        return given !== null && fieldOf(given.detail) !== null;
      }}>
      <Field name="topic" label={words.topic} about={words.topicAbout} value={filter.topic} required
        mono {...fault("topic")} />
      <Field name="title" label={words.name} required {...fault("title")} />
      <Field name="content" label={words.content} about={words.contentAbout} lines={CONTENT_LINES}
        required {...fault("content")} />
      <ProjectField name="project" label={words.project} about={words.projectAbout}
        value={filter.project ?? ""} {...fault("project")} />
      <Field name="tags" label={words.tags} about={words.tagsAbout} mono {...fault("tags")} />
    </Form>
  );
}
