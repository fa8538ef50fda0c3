/** Runs a command: the form. */
import { Field, Form } from "../parts/form.tsx";
import { useSeat } from "../router/router.ts";
import { start } from "./actions.ts";
import { words } from "./words.ts";

export function RunForm({ close }: { close: () => void }) {
  const { go } = useSeat();
  return (
    <Form title={words.run} send={words.start} cancel={words.cancel} close={close}
      submit={({ command, folder, label, terminal }) => start({
        shell: command, ...(folder && { cwd: folder }), ...(label && { label }),
        ...(terminal && { pty: true }),
      })}
      done={({ id }) => go(`/j/${id}`)}>
      <Field name="command" label={words.command} about={words.commandAbout} lines={2} required
        mono />
      <Field name="folder" label={words.folder} about={words.folderAbout} folder />
      <Field name="label" label={words.label} about={words.labelAbout} />
      <label class="check"><input type="checkbox" name="terminal" /> {words.terminal}</label>
    </Form>
  );
}
