/** The form of a new session. It goes there once the daemon has it. */
import { choicesOf } from "../parts/choices.ts";
import { Field, Form } from "../parts/form.tsx";
import { ModelField } from "../parts/named.tsx";
import { useSeat } from "../router/router.ts";
import { useAgents } from "../state/models.ts";
import { settings } from "../state/system.ts";
import { sessionBegin } from "./begin.ts";
import { words } from "./words.ts";

export function NewSession({ onClose }: { onClose: () => void }) {
  const { go } = useSeat(), agents = useAgents();
  return (
    <Form<{ id: string }> title={words.new} send={words.begin} cancel={words.cancel}
      close={onClose} submit={({ first = "", worktree, ...given }) =>
        sessionBegin({ ...given, ...(worktree !== undefined && worktree !== "" && {
          worktree: worktree === "now" ? { base: "now" } : true,
        }) }, first)}
      done={({ id }) => go(`/s/${id}`)}>
      <Field name="first" label={words.first} lines={4} />
      <ModelField name="model" label={words.model}
        about={words.defaultModel(settings.value?.model ?? null)} />
      <Field name="agent" label={words.agent} listed
        choices={[{ value: "", text: words.noAgent }, ...choicesOf(agents)]} />
      <Field name="root" label={words.root} about={`${words.optional}. ${words.rootAbout}`}
        folder />
      <Field name="worktree" label={words.tree} listed choices={[
        { value: "", text: words.treeNone }, { value: "own", text: words.treeOwn },
        { value: "now", text: words.treeNow }]} />
      <Field name="title" label={words.title} about={`${words.optional}. ${words.titleAbout}`} />
    </Form>
  );
}
