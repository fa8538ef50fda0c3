/** The forms of terminals: a new one, another name, and the question before one is closed. */
import { patch, post, remove } from "../api/api.ts";
import type { NamedTerminal } from "../api/types.ts";
import { Field, Form } from "../parts/form.tsx";
import { visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import { words } from "./words.ts";

export type Asked = "add" | "rename" | "close" | null;

interface FormsProps { asked: Asked; chosen: NamedTerminal | null; close: () => void }

export function Forms({ asked, chosen, close }: FormsProps) {
  const { go } = useSeat();
  const shared = { cancel: words.cancel, close };
  if (asked === "add") {
    return (
      <Form {...shared} title={words.add} send={words.open}
        submit={({ name, command, folder }) => post<NamedTerminal>("/terminals", {
          ...(name && { name }), ...(command && { command }), ...(folder && { cwd: folder }),
        })}
        done={({ id }) => go(`/terminals/${id}`)}>
        <Field name="command" label={words.command} about={words.commandAbout} lines={2} mono />
        <Field name="name" label={words.name} about={words.nameAbout} />
        <Field name="folder" label={words.folder} about={words.folderAbout} folder />
      </Form>
    );
  }
  if (chosen === null || asked === null) return null;
  if (asked === "rename") {
    return (
      <Form {...shared} title={words.rename} of={chosen.id} send={words.save} done={() => {}}
        submit={({ name }) => patch(`/terminals/${chosen.id}`, { name: name ?? "" })}>
        <Field name="name" label={words.name} value={chosen.name} required />
      </Form>
    );
  }
  return (
    <Form {...shared} title={words.closeAsk(visible(chosen.name))} send={words.close}
      submit={() => remove(`/terminals/${chosen.id}`)} done={() => go("/terminals")}>
      <p>{words.closeAbout}</p>
    </Form>
  );
}
