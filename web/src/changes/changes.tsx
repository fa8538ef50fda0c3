/** What a session or a run has changed in its folder. The address has what is shown, and where. */
import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import type { ChangedFile, Page, TimelineTurn } from "../api/types.ts";
import { copyText } from "../parts/copy.tsx";
import { Loading } from "../parts/loading.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { useNamed, useSeat } from "../router/router.ts";
import type { Params } from "../router/routes.ts";
import { Hint } from "../shell/kbd.tsx";
import { useKeys } from "../shell/keys.ts";
import type { Name } from "../shell/shortcuts.ts";
import { follow } from "../state/live.ts";
import { may } from "../state/me.ts";
import { useRead } from "../state/read.ts";
import type { Look } from "./blocks.ts";
import { useCursor, type Cursor } from "./cursor.ts";
import { File } from "./file.tsx";
import { Head, Notes, type Subject } from "./head.tsx";
import { NearContext, nearnessOf } from "./near.ts";
import { openChanges, pathOf, type Listed, type Opened, type Source, type Wish } from "./open.ts";
import { viewedCount, viewedOf } from "./rules.ts";
import { Tree } from "./tree.tsx";
import { words } from "./words.ts";

/** Below the first, the list of files is a sheet; below the second, two sides have no room. */
const NARROW_PX = 700, SIDES_PX = 900;
const ROW_PX = 28, ROW_COARSE_PX = 44;
const FIRST_FILES = 3; // Drawn with the first picture.
const SETTLE_MS = 300, SAID_MS = 4_000;
/** Width of a letter of a line, and of all beside the lines. */
const LETTER_PX = 7.53, BESIDE_PX = 90;

/** Folded are files that were viewed, and those that somebody has folded. */
function useFolds(isViewed: (file: ChangedFile) => boolean) {
  const folds = useSignal<ReadonlyMap<string, boolean>>(new Map());
  const set = (path: string, folded: boolean | null): void => {
    const now = new Map(folds.peek());
    if (folded === null) now.delete(path);
    else now.set(path, folded);
    folds.value = now;
  };
  return { set, is: (file: ChangedFile) => folds.value.get(file.path) ?? isViewed(file) };
}

/** The address follows the file that is read; the file of the address is gone to at first. */
function useAddress(cursor: Cursor, { files, whole }: Listed): void {
  const seat = useSeat(), first = useRef(seat.query.peek().get("file"));
  useEffect(() => {
    const path = first.current;
    if (path === null) return;
    const isThere = files.some((file) => file.path === path);
    if (isThere) cursor.to(path);
    if (isThere || whole) first.current = null;
  }, [files, whole]);
  const path = cursor.at.value?.path ?? null;
  useEffect(() => {
    const given = seat.query.peek().get("file") ?? files[0]?.path;
    const isKnown = path === null || given === path;
    if (isKnown || first.current !== null) return undefined;
    const timer = setTimeout(() => seat.setQuery("file", path), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [path]);
}

function useSaid(): [string, (text: string) => void] {
  const [said, saidSet] = useState("");
  useEffect(() => {
    if (said === "") return undefined;
    const timer = setTimeout(() => saidSet(""), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  return [said, saidSet];
}

function Empty({ list, wish }: { list: Listed; wish: Wish }) {
  const { setQuery } = useSeat(), { world, recorded = true } = list;
  if (world !== null && world.state === "off") return null; // The note says it.
  const isPart = wish.since || wish.base !== "";
  return (
    <div class="empty changes-empty">
      <p>{world === null ? (recorded ? words.none : words.noGit) : wish.since ? words.noneLook
        : isPart ? words.noneBase : words.noneStart}</p>
      {world === null && recorded ? <p class="muted">{words.noneHow}</p> : null}
      {world === null || !isPart ? null : (
        <p><button onClick={() => ["since", "base"].forEach((name) => setQuery(name, null))}>
          {words.all}
        </button></p>
      )}
    </div>
  );
}

function Steps({ cursor }: { cursor: Cursor }) {
  const button = (step: keyof typeof words.steps, name: Name, run: () => void) => (
    <button class="quiet icon" aria-label={words[step]} title={words[step]} onClick={run}>
      {words.steps[step]} <Hint of={name} />
    </button>
  );
  return (
    <span class="changes-steps end">
      {button("previousFile", "previous", () => cursor.file(-1))}
      {button("nextFile", "next", () => cursor.file(1))}
      {button("previousHunk", "previousHunk", () => cursor.hunk(-1))}
      {button("nextHunk", "nextHunk", () => cursor.hunk(1))}
    </span>
  );
}

interface FilesProps {
  opened: Opened; look: Look; session: string | null; narrow: boolean; onBlanks(): void;
}

function Files({ opened, look, session, narrow, onBlanks }: FilesProps) {
  const list = opened.list.value, marks = opened.marks.value, { files } = list;
  const named = useNamed(), box = useRef<HTMLDivElement>(null), columns = useSignal(100);
  const [listed, listedSet] = useState(false); // On a phone: the list of files is there.
  const folds = useFolds((file) => viewedOf(file, marks) === "yes");
  const hunks = useRef(new Map<string, number>());
  const cursor = useCursor({ box, files, isFolded: folds.is, hunksOf: (path) => {
    const file = files.find((one) => one.path === path);
    return file === undefined || folds.is(file) ? 0 : hunks.current.get(path) ?? 0;
  } });
  const nearness = useMemo(() => nearnessOf(() => box.current), []);
  useEffect(() => nearness.end, []);
  useAddress(cursor, list);
  useLayoutEffect(() => {
    const sizes = new ResizeObserver(([entry]) => {
      const width = (entry?.contentRect.width ?? 0) / (look.sides ? 2 : 1) - BESIDE_PX;
      columns.value = Math.max(10, Math.floor(width / LETTER_PX));
    });
    const grown = new ResizeObserver(() => cursor.grown());
    if (box.current !== null) sizes.observe(box.current);
    if (box.current?.firstElementChild) grown.observe(box.current.firstElementChild);
    return () => [sizes, grown].forEach((one) => one.disconnect());
  }, [look.sides]);

  /** What is folded while it is read begins at its head. */
  const fold = (file: ChangedFile, folded: boolean | null): void => {
    folds.set(file.path, folded);
    const element = box.current, isLeft = element !== null &&
      (element.querySelector<HTMLElement>(`[data-change="${CSS.escape(file.path)}"]`)
        ?.offsetTop ?? Infinity) < element.scrollTop;
    if (isLeft) requestAnimationFrame(() => cursor.to(file.path));
  };
  const view = (file: ChangedFile, viewed: boolean): void => {
    void opened.view(file, viewed);
    fold(file, null);
  };
  const now = (): ChangedFile | undefined => {
    const path = cursor.at.peek()?.path;
    return files.find((file) => file.path === path) ?? files[0];
  };
  useKeys([
    { name: "next", run: () => cursor.file(1) },
    { name: "previous", run: () => cursor.file(-1) },
    { name: "nextHunk", run: () => cursor.hunk(1) },
    { name: "previousHunk", run: () => cursor.hunk(-1) },
    ...(may("run") ? [{ name: "viewed" as const, once: true, run: () => {
      const file = now();
      if (file !== undefined) view(file, viewedOf(file, opened.marks.peek()) !== "yes");
    } }] : []),
    { name: "fold", run: () => {
      const file = now();
      if (file !== undefined) fold(file, !folds.is(file));
    } },
  ]);
  const viewedText = words.viewedOf(viewedCount(files, marks), files.length);
  const coarse = narrow || matchMedia("(pointer: coarse)").matches;
  return (
    <div class={narrow && listed ? "changes-body listed" : "changes-body"}>
      <nav aria-label={named(words.fileList)} class="changes-files">
        <div class="changes-bar">
          {narrow ? (
            <button class="quiet" aria-expanded={listed} onClick={() => listedSet(!listed)}>
              {words.fileList} · {viewedText}
            </button>
          ) : <span class="muted">{viewedText}</span>}
          <Steps cursor={cursor} />
        </div>
        {narrow && !listed ? null : (
          <Tree files={files} marks={marks} session={session} at={cursor.at}
            height={coarse ? ROW_COARSE_PX : ROW_PX} onView={view} onOpen={(path) => {
              listedSet(false);
              requestAnimationFrame(() => cursor.to(path));
            }} />
        )}
      </nav>
      <div ref={box} class="changes-pane" role="region" tabIndex={0}
        aria-label={named(words.diffs)}
        onScroll={cursor.scrolled} onWheel={cursor.taken} onTouchMove={cursor.taken}
        onPointerDown={cursor.taken}>
        <NearContext.Provider value={nearness}>
          <div data-changes>
            {files.map((file, at) => (
              <File key={file.path} file={file} viewed={viewedOf(file, marks)}
                folded={folds.is(file)} first={at < FIRST_FILES} look={look} opened={opened}
                cursor={cursor} columns={columns} onBlanks={onBlanks}
                onFold={(folded) => fold(file, folded)} onView={(viewed) => view(file, viewed)}
                onHunks={(count) => void hunks.current.set(file.path, count)} />
            ))}
          </div>
        </NearContext.Provider>
      </div>
    </div>
  );
}

const ENDS = /^(changes_changed|.*_finished)$/;

function One({ source }: { source: Source }) {
  const seat = useSeat(), { query, setQuery } = seat, { kind, id } = source;
  const base = query.value.get("base") ?? "", since = query.value.get("since") === "viewed";
  const wish = useMemo<Wish>(() => ({ base, since }), [base, since]);
  const opened = useMemo(() => openChanges(source, wish), [wish]);
  useEffect(() => opened.end, [opened]);
  const subject = useRead<Subject>(pathOf(source)).value;
  const stream = subject === null ? null
    : kind === "session" ? `session:${id}` : subject.stream ?? `run:${id}`;
  useEffect(() => (stream === null ? undefined : follow(stream, {
    onSnapshot: opened.soon,
    onEvents: (events) => {
      const isNews = events.some(({ type }) => (kind === "run" ? ENDS.test(type)
        : type === "changes_changed"));
      if (isNews) opened.soon();
    },
  })), [stream, opened]);
  const turns = useRead<Page<TimelineTurn>>(kind === "session"
    ? `${pathOf(source)}/timeline?limit=1` : null).value?.items[0]?.number ?? 0;

  const [said, say] = useSaid();
  const list = opened.list.value;
  const width = seat.width.value, narrow = width < NARROW_PX, wide = width >= SIDES_PX;
  const sides = wide && query.value.get("view") === "sides";
  const blanks = query.value.get("blanks") === "ignore";
  const look = useMemo<Look>(() => ({ sides, blanks }), [sides, blanks]);
  const set = {
    lastLook: () => setQuery("since", since ? null : "viewed"),
    sides: () => setQuery("view", sides ? null : "sides"),
    blanks: () => setQuery("blanks", blanks ? null : "ignore"),
  };
  const copyLink = async (): Promise<void> =>
    say(await copyText(location.href) ? words.copied : words.notCopied);
  useKeys([
    { name: "lastLook", once: true, run: set.lastLook },
    ...(wide ? [{ name: "sides" as const, once: true, run: set.sides }] : []),
    { name: "blanks", once: true, run: set.blanks },
    { name: "copyLink", run: () => void copyLink() },
    ...(kind === "session" || subject !== null ? [{ name: "changes" as const, run: () =>
      seat.go(`/${kind === "session" ? "s" : "r"}/${id}`) }] : []),
  ]);
  const switches = [{ name: "lastLook" as const, on: since },
    ...(wide ? [{ name: "sides" as const, on: sides }] : []),
    { name: "blanks" as const, on: blanks }].map((one) => ({ ...one, set: set[one.name] }));
  const { problem } = opened;
  return (
    <div class={narrow ? "changes narrow" : "changes"}>
      <Head source={source} subject={subject} list={list} turns={turns} wish={wish}
        switches={switches} />
      <div class="changes-notes">
        <Trouble problem={problem.value} retry={opened.again} />
        <Notes list={list} />
        <p class={said === "" ? "hidden" : "changes-note"} role="status">{said}</p>
      </div>
      {list.files.length > 0 ? (
        <Files key={`${base} ${since}`} opened={opened} look={look} narrow={narrow}
          session={kind === "session" ? id : subject?.session ?? null}
          onBlanks={set.blanks} />
      ) : list.ready ? <Empty list={list} wish={wish} />
        : problem.value === null ? <Loading /> : null}
    </div>
  );
}

const viewOf = (kind: Source["kind"]) => function Changes({ id = "" }: Params) {
  const source = useMemo<Source>(() => ({ kind, id }), [id]);
  return <One key={id} source={source} />;
};

export const SessionChanges = viewOf("session");
export const RunChanges = viewOf("run");
