/** What is done with a session as a whole: another title, into the archive, to a file, away. */
import { useState } from "preact/hooks";

import { getBlob, patch, remove, type Answer, type Problem } from "../api/api.ts";
import type { Session } from "../api/types.ts";
import { Field, Form } from "../parts/form.tsx";
import { saveFile } from "../parts/save.ts";
import { Sure } from "../parts/sure.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { titleOf } from "./text.ts";
import { words } from "./words.ts";

const FORMATS: Record<string, string> = { markdown: "md", json: "json" };

export function More({ session, close }: { session: Session; close(): void }) {
  const [problem, problemSet] = useState<Problem | null>(null);
  const { id, archived } = session, path = `/sessions/${id}`;
  const done = (answer: Answer<unknown>): void => {
    problemSet(answer.ok ? null : answer.problem);
    if (answer.ok) close();
  };
  const save = async (format: string, ending: string): Promise<void> => {
    const answer = await getBlob(`${path}/export?format=${format}`);
    if (answer.ok) saveFile(`${id}.${ending}`, answer.value);
    done(answer);
  };
  return (
    <Form title={titleOf(session)} of={id} send={words.save} cancel={words.cancel} close={close}
      submit={({ title = "" }) => patch(path, { title })} done={close}>
      <Field name="title" label={words.title} value={session.title ?? ""} required />
      <div class="buttons">
        <button type="button" onClick={() => void patch(path, { archived: !archived }).then(done)}>
          {archived ? words.fromArchive : words.toArchive}
        </button>
        {Object.entries(FORMATS).map(([format, ending]) => (
          <button key={format} type="button" onClick={() => void save(format, ending)}>
            {words.exportAs(format)}
          </button>
        ))}
        <Sure name={words.delete} label={words.delete} sure={words.deleteSure}
          onSure={() => void remove(path).then(done)} />
      </div>
      <Trouble problem={problem} />
    </Form>
  );
}
