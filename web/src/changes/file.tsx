/** One file that was changed: its head, which stays in view, and its lines. */
import { useComputed, type ReadonlySignal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";

import type { Author, ChangedFile } from "../api/types.ts";
import { Bounded } from "../parts/bounded.tsx";
import { Brand } from "../parts/brand.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { Hint } from "../shell/kbd.tsx";
import { may } from "../state/me.ts";
import { ROW_PX, type Look } from "./blocks.ts";
import type { Cursor } from "./cursor.ts";
import { Counts } from "./link/sum.tsx";
import { Lines } from "./lines.tsx";
import { useNear } from "./near.ts";
import type { Opened } from "./open.ts";
import { contentOf, folderOf, hasLines, makers, nameOf } from "./rules.ts";
import { words } from "./words.ts";

const HEAD_PX = 44;
const LATE_MS = 150;

/** About the rows of a file whose lines were not read. What is new or gone has no lines around. */
const rowsOf = ({ operation, added, removed }: ChangedFile): number =>
  added + removed + (operation === "create" || operation === "delete" ? 1 : 7);

function Maker({ by: { kind, session, run, name } }: { by: Author }) {
  const text = visible(name) || words.kinds[kind], id = session ?? run;
  if (id === null) return <bdi>{text}</bdi>;
  return (
    <a href={session === null ? `/r/${id}` : `/s/${id}`}><Brand id={id} /><bdi>{text}</bdi></a>
  );
}

function Makers({ file }: { file: ChangedFile }) {
  const all = makers(file), { status } = file;
  const about = status === "shared" ? words.sharedAbout
    : status === "unknown" ? words.unknownAbout : undefined;
  return (
    <span class="change-by" title={about}>
      {words.by}{" "}
      {all.map((one, at) => (
        <span key={at}>
          {at === 0 ? null : ` ${status === "shared" ? words.shared : "+"} `}
          <Maker by={one} />
        </span>
      ))}
      {status !== "unknown" ? null : `${all.length === 0 ? "" : " + "}${words.unknown}`}
      {about === undefined ? null : <span class="hidden"> {about}</span>}
    </span>
  );
}

export interface FileProps {
  file: ChangedFile; viewed: ChangedFile["viewed"]; folded: boolean; first: boolean;
  look: Look; opened: Opened; cursor: Cursor; columns: ReadonlySignal<number>;
  onFold(folded: boolean): void;
  onView(viewed: boolean): void;
  onHunks(count: number): void;
  onBlanks(): void;
}

function Head({ file, viewed, folded, onFold, onView, here }: FileProps & { here: boolean }) {
  const { path, old_path, operation, mode_before, mode_after, binary } = file;
  return (
    <header class="change-head">
      <button class="quiet icon" aria-expanded={!folded} aria-label={words.unfold(visible(path))}
        onClick={() => onFold(!folded)}>
        <span aria-hidden="true">{folded ? words.folds.folded : words.folds.open}</span>
      </button>
      <h2 class="mono">
        <bdi>
          <span class="muted">{visible(folderOf(path))}</span>{visible(nameOf(path))}
        </bdi>
      </h2>
      <span class="change-facts muted">
        <span>{words.operations[operation]}</span>
        {old_path == null ? null : <bdi class="mono">{words.was(visible(old_path))}</bdi>}
        {mode_before == null || mode_after == null || mode_before === mode_after ? null
          : <span>{words.mode(mode_before, mode_after)}</span>}
        {binary ? <span>{words.binary}</span> : null}
        <Makers file={file} />
      </span>
      <Counts added={file.added} removed={file.removed} />
      {viewed === "changed" ? <span class="tone-run">{words.viewedBefore}</span> : null}
      {!may("run") ? null : (
        <label class="change-viewed">
          <input type="checkbox" checked={viewed === "yes"}
            aria-label={words.viewedFile(visible(path))}
            onChange={({ currentTarget }) => onView(currentTarget.checked)} />
          <span aria-hidden="true">{words.viewed}{here ? <Hint of="viewed" /> : null}</span>
        </label>
      )}
    </header>
  );
}

/** Said only when it is late: most diffs are there at once. */
function Late() {
  const [late, lateSet] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => lateSet(true), LATE_MS);
    return () => clearTimeout(timer);
  }, []);
  return late ? <p class="change-note" role="status">{words.loading}</p> : null;
}

function noteOf({ binary, operation, before, after }: ChangedFile): string {
  if (binary) return words.isBinary;
  if (operation === "rename") return words.isRenamed;
  if (operation === "mode") return words.isMode;
  return words.isEmpty[operation] ?? (before === after ? words.isMode : words.isSame);
}

function Body(props: FileProps) {
  const { file, opened, look, cursor, columns, onHunks, onBlanks } = props;
  const diff = opened.diffOf(file.path).value;
  const content = contentOf(file), isRead = hasLines(file);
  useEffect(() => (isRead ? opened.want(file) : undefined), [opened, content, isRead]);
  if (!isRead) return <p class="change-note">{noteOf(file)}</p>;
  if (diff.kind === "failed") {
    return <Trouble problem={diff.problem} retry={() => void opened.want(file)} />;
  }
  if (diff.kind === "none") {
    const height = `${ROW_PX * rowsOf(file)}px`;
    return <div aria-busy="true" style={{ minHeight: height }}><Late /></div>;
  }
  if (diff.kind === "text") {
    return diff.text === "" ? <p class="change-note">{words.isSame}</p>
      : <pre dir="ltr"><Bounded text={diff.text} /></pre>;
  }
  return (
    <>
      <Lines rows={diff.rows} path={file.path} look={look} cursor={cursor} columns={columns}
        onHunks={onHunks} onBlanks={onBlanks} />
      {diff.unfold === null ? null : (
        <p class="change-note">
          <button class="quiet" onClick={diff.unfold}>{words.unfoldLines}</button>
        </p>
      )}
    </>
  );
}

export function File(props: FileProps) {
  const { file, folded, first, cursor } = props, { path } = file;
  const rows = folded ? 0 : hasLines(file) ? rowsOf(file) : 2;
  const { box, near, style } = useNear({ height: HEAD_PX + ROW_PX * rows, first, of: folded });
  const isDue = useComputed(() => cursor.due.value?.path === path);
  const isHere = useComputed(() => cursor.at.value?.path === path);
  const drawn = near || isDue.value;
  return (
    <section ref={box} data-change={path} class={isHere.value ? "change here" : "change"}
      aria-label={visible(path)} {...(!drawn && { style })}>
      {!drawn ? null : (
        <>
          <Head {...props} here={isHere.value} />
          {folded ? null : <div class="diff"><Body {...props} /></div>}
        </>
      )}
    </section>
  );
}
