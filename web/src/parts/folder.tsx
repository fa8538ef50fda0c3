/** A field for a folder: its path is typed, or found from folder to folder in a list below it,
 *  which begins with those that are known, the last used first. */
import { useContext, useEffect, useRef, useState } from "preact/hooks";

import type { Folders } from "../api/types.ts";
import { useRead } from "../state/read.ts";
import { words as all } from "../words.ts";
import { folderChoices, placeOf } from "./choices.ts";
import { KeptContext } from "./kept.ts";
import { Picker, type PickerProps } from "./picker.tsx";
import { visible } from "./visible.ts";
import { words } from "./words.ts";

const UP = { known: words.known, to: words.up };

function routeOf({ at, part }: { at: string; part: string }): string {
  if (at === "") return "/folders";
  const hidden = part.startsWith(".") ? "&hidden=1" : "";
  return `/folders?${new URLSearchParams({ path: at })}${hidden}`;
}

type FolderProps = Omit<PickerProps, "choices" | "free" | "walks">;

export function Folder(props: FolderProps) {
  const { value = "", name = "" } = props;
  const text = useRef(useContext(KeptContext)[name] ?? value);
  const was = useRef(value);
  useEffect(() => {
    if (was.current !== value) text.current = value;
    was.current = value;
  }, [value]);
  /** null: the list is not open. */
  const [place, placeSet] = useState<{ at: string; part: string } | null>(null);
  const { value: found, problem } = useRead<Folders>(place === null ? null : routeOf(place));
  const choices = found === null || place === null ? [] : folderChoices(found, place.part, UP);
  const into = (path: string): void => {
    text.current = path;
    placeSet({ at: path, part: "" });
  };
  const status = problem !== null ? visible(all.problem(problem))
    : found === null ? words.reading
      : !found.whole ? words.cut : found.items.length === 0 ? words.noFolders : null;
  return (
    <Picker {...props} free choices={choices}
      class="mono" pick={(path) => {
        into(path);
        props.pick?.(path);
      }}
      typed={(typed) => {
        text.current = typed;
        placeSet(placeOf(typed));
      }}
      walks={{ status, button: words.browse,
        // What stands in the field is listed.
        opened: () => into(text.current.startsWith("/") ? text.current : "") }} />
  );
}
