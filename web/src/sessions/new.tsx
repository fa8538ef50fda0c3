/** The form of a new session. It goes there once the daemon has it. */
import { Field, Form } from "../parts/form.tsx";
import { visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import { useAgents, useDefault, useModels } from "../session/pickers.tsx";
import { useFolders } from "../state/folders.ts";
import { sessionBegin } from "./begin.ts";
import { words } from "./words.ts";

export function NewSession({ onClose }: { onClose: () => void }) {
  const { go } = useSeat(), folders = useFolders();
  const models = useModels(), agents = useAgents(), fallback = useDefault();
  return (
    <Form<{ id: string }> title={words.new} send={words.begin} cancel={words.cancel}
      close={onClose} submit={({ first = "", ...given }) => sessionBegin(given, first)}
      done={({ id }) => go(`/s/${id}`)}>
      <Field name="first" label={words.first} lines={4} />
      <Field name="model" label={words.model} about={words.defaultModel(fallback)} mono
        offers={models} />
      {agents.length === 0 ? null : (
        <label>{words.agent}
          <select name="agent">
            <option value="">{words.noAgent}</option>
            {agents.map((name) => <option key={name} value={name}>{visible(name)}</option>)}
          </select>
        </label>
      )}
      <Field name="root" label={words.root} about={`${words.optional}. ${words.rootAbout}`} mono
        offers={folders} />
      <Field name="title" label={words.title} about={`${words.optional}. ${words.titleAbout}`} />
    </Form>
  );
}
