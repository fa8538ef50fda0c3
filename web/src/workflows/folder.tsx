/** The folder of the project, which the address has. Those of known projects are offered. */
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";

import { get } from "../api/api.ts";
import type { Page } from "../api/types.ts";
import { useSeat } from "../router/router.ts";
import { words } from "./words.ts";

function useFolders(): string[] {
  const [folders, foldersSet] = useState<string[]>([]);
  useEffect(() => {
    let here = true;
    type Row = { root?: string | null };
    void Promise.all([get<Page<Row>>("/projects?limit=200"), get<Page<Row>>("/sessions?limit=200")])
      .then((answers) => {
        const rows = answers.flatMap((answer) => (answer.ok ? answer.value.items : []));
        const roots = rows.flatMap(({ root }) => (root == null || root === "" ? [] : [root]));
        if (here) foldersSet([...new Set(roots)].sort());
      });
    return () => void (here = false);
  }, []);
  return folders;
}

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
