/** The folder of the project, which the address has. */
import { useId, useRef } from "preact/hooks";

import { Folder as Field } from "../parts/folder.tsx";
import { useSeat } from "../router/router.ts";
import { words } from "./words.ts";

export function Folder({ root }: { root: string }) {
  const { setQuery } = useSeat(), id = useId(), form = useRef<HTMLFormElement>(null);
  return (
    <form ref={form} class="flow-folder" onSubmit={(event) => {
      event.preventDefault();
      setQuery("root", String(new FormData(event.currentTarget).get("root")).trim() || null);
    }}>
      <label for={id}>{words.folder} <span class="muted">{words.folderAbout}</span></label>
      <Field id={id} name="root" value={root} />
      <button>{words.look}</button>
    </form>
  );
}
