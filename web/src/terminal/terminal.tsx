/** The terminal of a job: its screen is drawn again from the log, and keys go to the job. */
import { useEffect, useRef, useState } from "preact/hooks";

import { getBytes, type Problem as Given } from "../api/api.ts";
import { logPath, type Place } from "../job/reading.ts";
import { Trouble } from "../parts/trouble.tsx";
import { useNamed } from "../router/router.ts";
import { followLog } from "../state/live.ts";
import { may } from "../state/me.ts";
import type { LogState, Problem as Refusal } from "../stream/index.ts";
import { bytesOf, KeyRow, withControl } from "./keyrow.tsx";
import type { Screen } from "./screen.ts";
import { words } from "./words.ts";

type Hits = { at: number; total: number } | null;

interface Shown {
  state: LogState | null;
  size: [columns: number, rows: number] | null;
  hits: Hits;
  problem: Given | null;
  failed: boolean;
}

const given = ({ code, status = 0, title = "", detail = "" }: Refusal): Given =>
  ({ code, status, title, detail });

/** Size of the log now: output before it is old. */
async function sizeOf(place: Place): Promise<number> {
  const answer = await getBytes(logPath(place, { offset: "-1", limit: "1" }));
  return answer.ok ? Number(answer.value.headers.get("drover-size")) || 0 : 0;
}

interface Session { screen: Screen; end(): void }

interface Around {
  place: Place;
  box: HTMLElement;
  leave(): void;
  show(fields: Partial<Shown>): void;
  isTyping(): boolean;
  isGone(): boolean;
  /** What is sent for what was typed. */
  typed(text: string): string;
}

async function begin(
  { place, box, leave, show, isTyping, isGone, typed }: Around): Promise<Session | null> {
  const chunk = await import("./screen.ts").catch(() => null);
  if (chunk === null) {
    show({ failed: true });
    return null;
  }
  const old = await sizeOf(place);
  if (isGone()) return null;
  let log: ReturnType<typeof followLog> | null = null;
  const type = (text: string): void => {
    if (!isTyping()) return;
    void log?.input(typed(text)).then((problem) =>
      show({ problem: problem === null || problem.code === "closed" ? null : given(problem) }));
  };
  const size = (columns: number, rows: number): void => {
    show({ size: [columns, rows] });
    if (isTyping()) void log?.resize(columns, rows);
  };
  const screen = chunk.screenOpen({
    box, label: words.label, onInput: type, onLeave: leave, onSize: size,
    onHits: (at, total) => show({ hits: { at, total } }),
  });
  log = followLog(place.run, {
    stream: place.stream, attempt: place.attempt,
    onPiece: ({ offset, bytes }, taken) => screen.write(bytes, offset >= old, taken),
    onState: (state) => show({ state }),
  });
  return {
    screen,
    end() {
      log?.end();
      screen.end();
    },
  };
}

interface TerminalProps {
  place: Place;
  /** The job has not ended; it has not started. */
  live: boolean;
  waits: boolean;
}

function Status({ shown: { state, size, hits }, live, waits }:
  { shown: Shown } & Omit<TerminalProps, "place">) {
  const end = state?.end ?? null;
  const text = end !== null
    ? end.exit_code !== null ? words.ended(end.exit_code) : words.endedBy(end.state, end.cause)
    : waits ? words.waits
    : live && !may("run") ? words.readOnly : "";
  return (
    <>
      <span class="muted" role="status">{text}</span>
      {text === "" && live ? <span class="muted small leave">{words.leave}</span> : null}
      <span class="muted small">
        {hits === null ? null : hits.total === 0 ? words.none : words.hits(hits.at, hits.total)}
      </span>
      {size === null ? null : <span class="muted small end">{words.size(...size)}</span>}
    </>
  );
}

export function Terminal({ place, live, waits }: TerminalProps) {
  const named = useNamed();
  const box = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const session = useRef<Session | null>(null);
  const [shown, shownSet] = useState<Shown>(
    { state: null, size: null, hits: null, problem: null, failed: false });
  const [control, controlSet] = useState(false);
  const [ready, readySet] = useState(false);
  const typing = live && may("run") && shown.state?.end == null;
  const current = useRef({ typing, control });
  current.current = { typing, control };
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    let gone = false;
    const show = (fields: Partial<Shown>): void => {
      if (!gone) shownSet((one) => ({ ...one, ...fields }));
    };
    void begin({
      place, box: element, show,
      leave: () => field.current?.focus(),
      isTyping: () => current.current.typing,
      isGone: () => gone,
      typed(text) {
        if (!current.current.control) return text;
        controlSet(false);
        return withControl(text);
      },
    }).then((begun) => {
      if (gone) begun?.end();
      else session.current = begun;
      readySet(begun !== null && !gone);
    });
    return () => {
      gone = true;
      session.current?.end();
      session.current = null;
    };
  }, [place.run, place.attempt]);
  useEffect(() => {
    const screen = session.current?.screen;
    screen?.typing(typing);
    if (typing) screen?.resize();
  }, [typing, ready]);
  const press = (key: string): void => {
    const screen = session.current?.screen;
    if (screen === undefined) return;
    if (key === "Control") controlSet(!control);
    else screen.press(bytesOf(key, screen.appCursor()));
  };
  return (
    <section class="tty" aria-label={named(words.label)}>
      <div class="bar">
        <input ref={field} data-filter type="search" aria-label={words.search}
          placeholder={words.search} maxLength={100}
          onKeyDown={(event) => {
            const { value } = event.currentTarget;
            if (event.key === "Enter") session.current?.screen.find(value, event.shiftKey ? -1 : 1);
            if (event.key === "Escape") session.current?.screen.focus();
          }}
          onInput={({ currentTarget: { value } }) => {
            if (value === "") session.current?.screen.find("", 1);
          }} />
        <Status shown={shown} live={live} waits={waits} />
      </div>
      <Trouble problem={shown.problem ?? (shown.state?.phase === "refused" &&
        shown.state.error !== null ? given(shown.state.error) : null)} />
      {shown.failed ? <p role="alert">{words.failed}</p> : null}
      <div class="screen" ref={box} data-keys="off" data-taken={shown.state?.taken ?? undefined} />
      {typing ? <KeyRow control={control} press={press} /> : null}
    </section>
  );
}
