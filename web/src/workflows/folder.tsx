/** The folder of the project, which the address has. Those of known projects are offered. */
import { useId, useLayoutEffect, useRef } from "preact/hooks";

import { useSeat } from "../router/router.ts";
import { useFolders } from "../state/folders.ts";
import { words } from "./words.ts";

export function Folder({ root }: { root: string }) {
  const { setQuery } = useSeat(), id = useId();
  const field = useRef<HTMLInputElement>(null), folders = useFolders();
  const look = (): void => setQuery("root", field.current?.value.trim() || null);
  useLayoutEffect(() => { // Later, it would replace what somebody has typed since.
    if (field.current !== null) field.current.value = root;
  }, [root]);
  return (
    <form class="flow-folder" onSubmit={(event) => {
      event.preventDefault();
      look();
    }}>
      <label for={id}>{words.folder} <span class="muted">{words.folderAbout}</span></label>
      <input ref={field} id={id} class="mono" dir="auto" defaultValue={root} list={`${id}-all`}
        autocomplete="off" spellcheck={false} />
      <datalist id={`${id}-all`}>
        {folders.map((folder) => <option key={folder} value={folder} />)}
      </datalist>
      <button>{words.look}</button>
    </form>
  );
}
