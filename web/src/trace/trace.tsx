/** The trace of a session, or of a run and all below it. The address has the filters, and the step
 *  that is open. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { causeText } from "../parts/cause.ts";
import { copyText } from "../parts/copy.tsx";
import { Loading } from "../parts/loading.tsx";
import type { RowsHandle } from "../parts/rows.tsx";
import { count } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { useSeat } from "../router/router.ts";
import type { Params } from "../router/routes.ts";
import { useKeys } from "../shell/keys.ts";
import { now as clock } from "../state/clock.ts";
import { link } from "../state/live.ts";
import { openTrace, type Source, type Traced } from "./follow.ts";
import { Filters, Head, shownOf, type Shown } from "./head.tsx";
import { Inspector } from "./inspector.tsx";
import { FIT, gapsOf, lengthOf, panned, scaleOf, zoomed } from "./scale.ts";
import {
  isFiltered, isOpen, linesOf, revealed, toggled, treeOf, type Line, type Node,
  type Opened, type Tree,
} from "./tree.ts";
import { Waterfall } from "./waterfall.tsx";
import { words } from "./words.ts";

const ZOOM = 1.5, PAN = 0.2, SAID_MS = 4000;
const IDLE_LEAST = 50; // Percent, from which on collapsing is offered.
const FEW = 60; // So many steps are all shown at first.
const ALL = 9; // The level that opens all.
const NONE_OPEN: Opened = { level: 0, other: new Set() };
const KINDS = Object.keys(words.kinds);

function emptyText({ subject }: Traced, { kind }: Source, { turn }: Shown): string {
  if (turn !== null) return words.noneTurn(turn);
  if (kind === "session") return words.noneSession;
  if (subject === null || subject.state === "queued") return words.noneQueued;
  if (["running", "waiting"].includes(subject.state)) return words.noneRuns;
  const { cause = null, state } = subject;
  return cause === null || cause === "completed" ? words.noneGone
    : words.noneEnded((words.states[state] ?? state) + `, ${causeText(cause)}`);
}

/** At first: of little all; of a session its newest turn; of a workflow its agents. Pages come
 *  oldest first: the turn that was the newest of the first page stays open. */
function openedFirst(tree: Tree, whole: boolean, before: Opened | null): Opened {
  if (whole && tree.sums.spans <= FEW) return { level: ALL, other: new Set() };
  const [first] = tree.roots, isSession = first !== undefined && first.span === null;
  return isSession ? { level: 0, other: new Set([...before?.other ?? [], first.id]) }
    : { level: 1, other: new Set() };
}

function useOpened(tree: Tree, whole: boolean) {
  const [chosen, chosenSet] = useState<Opened | null>(null), early = useRef<Opened | null>(null);
  if (!whole && tree.roots.length > 0) early.current ??= openedFirst(tree, false, null);
  const opened = chosen ??
    (whole ? openedFirst(tree, true, early.current) : early.current ?? NONE_OPEN);
  // What somebody sees stays open when the next turn begins.
  useEffect(() => {
    if (whole && chosen === null) chosenSet(opened);
  }, [whole]);
  const change = (to: (now: Opened) => Opened): void => chosenSet((now) => to(now ?? opened));
  return { opened, change };
}

function View({ source, state, again }: { source: Source; state: Traced; again(): void }) {
  const seat = useSeat(), { query, setQuery } = seat, shown = shownOf(query.value);
  const zoom = useSignal(FIT), handle = useRef<RowsHandle | null>(null);
  const [said, saidSet] = useState("");
  const tree = useMemo(() => treeOf(state.spans.values(), shown.by), [state.spans, shown.by]);
  const now = tree.live ? clock.value + (link.value?.clock?.ahead_ms ?? 0) : 0;
  const { opened, change } = useOpened(tree, state.whole);
  const gaps = useMemo(() => gapsOf(tree, state.asks.map((ask) =>
    ({ run: ask.run, from: ask.asked_ms, to: ask.answered_ms })), now), [tree, state.asks, now]);
  const length = lengthOf(tree, now);
  const idle = Math.round(100 * gaps.reduce((sum, { from, to }) => sum + to - from, 0) / length);
  const scale = useMemo(() => scaleOf(length, shown.collapsed ? gaps : []),
    [length, shown.collapsed, gaps]);
  const { errors, kind, min_ms, q, collapsed } = shown;
  const lines = useMemo(() => linesOf(tree, { errors, kind, min_ms, q }, opened,
    collapsed ? gaps : [], now), [tree, opened, errors, kind, min_ms, q, collapsed, gaps, now]);
  const kinds = useMemo(() => {
    const there = new Set([...state.spans.values()].map((span) => span.kind));
    return KINDS.filter((one) => there.has(one));
  }, [state.spans]);

  const spanId = query.value.get("span"), chosen = spanId === null ? undefined
    : tree.nodes.get(spanId);
  const [at, atSet] = useState<string | null>(null); // Key of the line that keys are about.
  const cursor = useMemo(() => {
    const line = lines.find(({ key }) => key === at);
    if (line !== undefined) return line.key;
    return lines.find((one) => one.kind === "span" && one.node.id === spanId)?.key ?? null;
  }, [lines, at, spanId]);
  const wide = seat.width.value >= 900;
  const select = (node: Node | null): void => setQuery("span", node?.id ?? null);
  const goTo = (line: Line | undefined, open: boolean): void => {
    if (line === undefined) return;
    atSet(line.key);
    handle.current?.show(lines.indexOf(line));
    if (line.kind === "rest" && open) setQuery("errors", "1");
    if ((line.kind === "span" || line.kind === "pinned") && open) select(line.node);
  };
  const place = lines.findIndex(({ key }) => key === cursor);
  const step = (by: 1 | -1): void => {
    let to = place < 0 ? (by > 0 ? 0 : lines.length - 1) : place + by;
    while (lines[to]?.kind === "idle") to += by;
    goTo(lines[to], wide && spanId !== null);
  };
  const current = lines[place];
  const toggle = (line: Line | undefined, to?: boolean): void => {
    if (line?.kind !== "span" || line.node.below.length === 0) return;
    if (to === undefined || to !== isOpen(opened, line.node)) {
      change((was) => toggled(was, line.node.id));
    }
  };
  const side = (by: 1 | -1, held: boolean): void => {
    if (held) zoom.value = panned(zoom.value, by * PAN);
    else toggle(current, by > 0);
  };
  const arrow = (event: KeyboardEvent): void => {
    const { key, shiftKey } = event;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (key === "ArrowDown") step(1);
    else if (key === "ArrowUp") step(-1);
    else if (key === "ArrowRight") side(1, shiftKey);
    else if (key === "ArrowLeft") side(-1, shiftKey);
    else return;
    event.preventDefault();
  };

  // Where a step is gone to that is not drawn yet: opened above it, then shown.
  const [due, dueSet] = useState<string | null>(spanId);
  const nextError = (by: 1 | -1): void => {
    const all = tree.errors, now = all.findIndex(({ id }) => id === spanId);
    const to = all[now < 0 ? (by > 0 ? 0 : all.length - 1) : (now + by + all.length) % all.length];
    if (to === undefined) return;
    change((was) => revealed(was, to));
    select(to);
    atSet(to.id);
    dueSet(to.id);
  };
  useEffect(() => {
    if (due === null || !state.whole) return;
    const node = tree.nodes.get(due), line = lines.findIndex(({ key }) => key === due);
    if (line >= 0) handle.current?.show(line);
    else if (node !== undefined && !isFiltered(shown)) return change((was) => revealed(was, node));
    dueSet(null);
  }, [due, lines, state.whole]);

  const by = (factor: number) => (): void => void (zoom.value = zoomed(zoom.value, factor, 0.5));
  const fit = (): void => void (zoom.value = FIT);
  const close = (): void => {
    select(null);
    handle.current?.focus();
  };
  const copyLink = async (): Promise<void> =>
    saidSet(await copyText(location.href) ? words.linkCopied : words.linkNotCopied);
  useEffect(() => {
    if (said === "") return undefined;
    const timer = setTimeout(() => saidSet(""), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const level = (to: number) => change(() => ({ level: to, other: new Set() }));
  const turnBy = (step: 1 | -1): void => {
    const turn = shown.turn ?? (step < 0 ? (tree.roots[0]?.turn ?? 0) + 1 : 0);
    if (source.kind === "session" && turn + step > 0) setQuery("turn", String(turn + step));
  };
  useKeys([
    { name: "next", run: () => step(1) },
    { name: "previous", run: () => step(-1) },
    { name: "open", run: () => goTo(current, true) },
    { name: "nextHit", run: () => nextError(1) },
    { name: "previousHit", run: () => nextError(-1) },
    { name: "fold", run: () => toggle(current) },
    { name: "foldAll", run: () => level(opened.level === ALL ? 0 : ALL) },
    ...Array.from({ length: 10 }, (_, digit) =>
      ({ key: String(digit), run: () => level(digit) })),
    { name: "zoomFit", run: fit },
    { name: "zoomIn", run: by(ZOOM) },
    { name: "zoomOut", run: by(1 / ZOOM) },
    { name: "copyLink", run: () => void copyLink() },
    { name: "earlier", run: () => turnBy(-1) },
    { name: "later", run: () => turnBy(1) },
    ...(spanId === null ? [] : [{ name: "leave" as const, always: true, run: close }]),
  ]);
  const filtered = isFiltered(shown);
  const errorCount = tree.sums.errors;
  return (
    <div class={`trace${chosen === undefined ? "" : " open"}`}>
      <div class="trace-main">
        <Head source={source} subject={state.subject} sums={tree.sums} />
        <Filters shown={shown} errors={errorCount} kinds={kinds} onError={() => nextError(1)}
          idle={idle >= IDLE_LEAST && gaps.length > 0 ? idle : 0}
          zoom={{ fit, in: by(ZOOM), out: by(1 / ZOOM) }} />
        <Trouble problem={state.problem} retry={again} />
        {!state.cut ? null : (
          <p class="trace-note">{(source.kind === "session" ? words.cut : words.cutRun)(
            count(state.spans.size))}</p>
        )}
        {!state.whole || spanId === null || chosen !== undefined ? null
          : <p class="trace-note">{words.missing}</p>}
        {lines.length > 0 ? (
          <Waterfall lines={lines} news={state.spans} scale={scale} now={now} opened={opened}
            cursor={cursor} zoom={zoom} handle={handle} onToggle={toggle} onArrow={arrow}
            onSelect={(line) => goTo(line, true)} />
        ) : !state.whole ? (state.problem === null ? <Loading /> : null) : (
          <div class="empty trace-empty">
            <p>{filtered ? words.noneFits : emptyText(state, source, shown)}</p>
            {!filtered ? null : (
              <p><button onClick={() => ["errors", "kind", "long", "q"].forEach((name) =>
                setQuery(name, null))}>{words.clear}</button></p>
            )}
          </div>
        )}
        <p class={said === "" ? "hidden" : "trace-note"} role="status">{said}</p>
      </div>
      {chosen === undefined ? null : (
        <Inspector key={chosen.id} node={chosen} source={source} asks={state.asks}
          turn={shown.turn} onClose={close} />
      )}
    </div>
  );
}

function One({ source }: { source: Source }) {
  const opened = useMemo(() => openTrace(source), []);
  useEffect(() => opened.end, []);
  return <View source={source} state={opened.state.value} again={opened.again} />;
}

const viewOf = (kind: Source["kind"]) => function Trace({ id = "" }: Params) {
  const { query } = useSeat(), turn = kind === "session" ? shownOf(query.value).turn : null;
  return <One key={`${id} ${turn}`} source={{ kind, id, turn }} />;
};

export const RunTrace = viewOf("run");
export const SessionTrace = viewOf("session");
