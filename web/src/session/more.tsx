/** What is done with a session as a whole: another title, another project, a shorter context, into
 *  the archive, to a file, away. */
import { useState } from "preact/hooks";

import { getBlob, patch, post, remove, type Answer, type Problem } from "../api/api.ts";
import type { Session } from "../api/types.ts";
import { Field, Form } from "../parts/form.tsx";
import { ProjectField } from "../parts/named.tsx";
import { saveFile } from "../parts/save.ts";
import { Sure } from "../parts/sure.tsx";
import { titleOf } from "../parts/title.ts";
import { Trouble } from "../parts/trouble.tsx";
import { words } from "./words.ts";

const FORMATS: Record<string, string> = { markdown: "md", json: "json" };

interface MoreProps {
  session: Session;
  close(): void;
  /** What is done with it, instead of at once: where the list says so, with Undo. */
  change?: ((what: { archived: boolean } | { deleted: boolean }) => void) | undefined;
}

export function More({ session, close, change }: MoreProps) {
  const [problem, problemSet] = useState<Problem | null>(null);
  const { id, archived, deleted_ms } = session, path = `/sessions/${id}`;
  const done = (answer: Answer<unknown>): void => {
    problemSet(answer.ok ? null : answer.problem);
    if (answer.ok) close();
  };
  const write = (what: { archived: boolean } | { deleted: boolean }): void => {
    if (change === undefined) return void patch(path, what).then(done);
    change(what);
    close();
  };
  const save = async (format: string, ending: string): Promise<void> => {
    const answer = await getBlob(`${path}/export?format=${format}`);
    if (answer.ok) saveFile(`${id}.${ending}`, answer.value);
    done(answer);
  };
  return (
    <Form title={titleOf(session)} of={id} send={words.save} cancel={words.cancel} close={close}
      submit={({ title = "", project = session.project }) =>
        patch(path, project === session.project ? { title } : { title, project })} done={close}>
      <Field name="title" label={words.title} value={session.title ?? ""} required />
      <ProjectField name="project" label={words.project} value={session.project} required />
      <div class="buttons">
        {session.agent === null ? (
          <button type="button" onClick={() => void post(`${path}/compact`, {}).then(done)}>
            {words.compactNow}
          </button>
        ) : null}
        <Sure name={words.clearNow} label={words.clearNow} sure={words.clearSure}
          onSure={() => void post(`${path}/clear`, {}).then(done)} />
        {Object.entries(FORMATS).map(([format, ending]) => (
          <button key={format} type="button" onClick={() => void save(format, ending)}>
            {words.exportAs(format)}
          </button>
        ))}
        {deleted_ms !== null ? (
          <>
            <button type="button" onClick={() => write({ deleted: false })}>{words.restore}</button>
            <Sure name={words.deleteNow} label={words.deleteNow} sure={words.deleteSure}
              onSure={() => void remove(path).then(done)} />
          </>
        ) : (
          <>
            <button type="button" onClick={() => write({ archived: !archived })}>
              {archived ? words.fromArchive : words.toArchive}
            </button>
            <button type="button" onClick={() => write({ deleted: true })}>{words.delete}</button>
          </>
        )}
      </div>
      <Trouble problem={problem} />
    </Form>
  );
}
