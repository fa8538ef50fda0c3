/** The files that were changed, by folder. */
import type { ReadonlySignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";

import type { ChangedFile } from "../api/types.ts";
import { Brand } from "../parts/brand.tsx";
import { Rows, type RowsHandle } from "../parts/rows.tsx";
import { useStill } from "../parts/still.ts";
import { visible } from "../parts/visible.ts";
import { may } from "../state/me.ts";
import type { Place } from "./cursor.ts";
import { Counts } from "./link/sum.tsx";
import { entriesOf, isOther, makers, nameOf, viewedOf, type Entry, type Marks } from "./rules.ts";
import { words } from "./words.ts";

interface TreeProps {
  files: readonly ChangedFile[]; marks: Marks;
  /** The session whose changes these are: others have their mark. */
  session: string | null;
  at: ReadonlySignal<Place | null>;
  height: number;
  onOpen(path: string): void;
  onView(file: ChangedFile, viewed: boolean): void;
}

const TONES: Record<ChangedFile["operation"], string> =
  { create: "ok", edit: "queued", delete: "fail", rename: "queued", mode: "queued" };

const OTHERS_MAX = 3;

function Others({ file, session }: { file: ChangedFile; session: string | null }) {
  if (!isOther(file, session)) return null;
  const all = makers(file);
  const names = all.map(({ kind, name }) => visible(name) || words.kinds[kind]).join(", ");
  const text = `${words.by} ${names || words.unknown}`;
  return (
    <span title={text} class="change-other">
      {all.slice(0, OTHERS_MAX).flatMap(({ session: by, run }) => by ?? run ?? [])
        .map((id) => <Brand key={id} id={id} />)}
      {file.status !== "unknown" ? null
        : <span class="mono" aria-hidden="true">{words.unknownMark}</span>}
      <span class="hidden">{text}</span>
    </span>
  );
}

function FileRow({ file, props, here }: { file: ChangedFile; props: TreeProps; here: boolean }) {
  const { marks, session, onOpen, onView } = props, { path, operation } = file;
  const viewed = viewedOf(file, marks);
  return (
    <div role="listitem" data-row={path} class={`change-row${here ? " sel" : ""}`}>
      <span class={`shape tone-${TONES[operation]}`} title={words.operations[operation]}
        aria-hidden="true">{words.marks[operation]}</span>
      <button class="bare mono clip" dir="auto" title={visible(path)}
        aria-current={here ? "true" : undefined} onClick={() => onOpen(path)}>
        <span class={viewed === "yes" ? "muted" : ""}>{visible(nameOf(path))}</span>
        <span class="hidden"> {words.operations[operation]}</span>
      </button>
      <Others file={file} session={session} />
      <Counts added={file.added} removed={file.removed} />
      {!may("run") ? null : (
        <label class="change-tick">
          <span class="hidden">{words.viewedFile(visible(nameOf(path)))}</span>
          <input type="checkbox" checked={viewed === "yes"}
            onChange={({ currentTarget }) => onView(file, currentTarget.checked)} />
        </label>
      )}
    </div>
  );
}

const keyOf = (entry: Entry): string =>
  (entry.kind === "folder" ? `/${entry.path}` : entry.file.path);

export function Tree(props: TreeProps) {
  const { files, at, height } = props, handle = useRef<RowsHandle | null>(null);
  const entries = useMemo(() => entriesOf(files), [files]);
  const keys = useMemo(() => entries.map(keyOf), [entries]);
  const still = useStill({ keys, news: files, height });
  const path = at.value?.path ?? null;
  useEffect(() => {
    const row = path === null ? -1 : keys.indexOf(path);
    if (row >= 0) handle.current?.show(row);
  }, [path]);
  return (
    <div class="change-tree" ref={still.box} onPointerOver={still.over}
      onPointerLeave={still.leave}>
      <Rows label={words.fileList} role="list" count={entries.length} height={height}
        handle={handle} draw={(row) => {
          const entry = entries[row];
          if (entry === undefined) return null;
          if (entry.kind === "file") {
            return <FileRow key={entry.file.path} file={entry.file} props={props}
              here={entry.file.path === path} />;
          }
          return (
            <div key={keyOf(entry)} role="listitem" class="change-folder mono clip" dir="auto">
              {visible(entry.path.slice(0, -1))}
            </div>
          );
        }} />
    </div>
  );
}
