/** A session: the conversation, the questions and the composer below it, the timeline beside it. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useState } from "preact/hooks";

import { patch } from "../api/api.ts";
import { Boundary } from "../parts/boundary.tsx";
import { Loading } from "../parts/loading.tsx";
import { timeTo } from "../parts/text.ts";
import { useSeat } from "../router/router.ts";
import type { Params } from "../router/routes.ts";
import { useKeys } from "../shell/keys.ts";
import { now } from "../state/clock.ts";
import { may } from "../state/me.ts";
import type { Message } from "../state/message.ts";
import { words as shared } from "../words.ts";
import { Asks } from "./asks.tsx";
import { Composer } from "./composer.tsx";
import { Conversation } from "./conversation.tsx";
import { openSession, type Opened } from "./open.ts";
import { outboxOf, type Outbox } from "./outbox.ts";
import { Panel, panelToggle } from "./side/panel.tsx";
import { Pins } from "./side/pins.tsx";
import { TalkContext, type Talk } from "./talk.ts";
import { Top } from "./top.tsx";
import { words } from "./words.ts";

const SAID_MS = 5_000;
/** So long a deleted session can be restored: SESSION_DELETED_KEPT_MS of the daemon. */
const KEPT_MS = 7 * 24 * 60 * 60 * 1000;

/** A sentence that is shown for a while. */
function useSaid(): [string, (text: string) => void] {
  const said = useSignal({ text: "" });
  useEffect(() => {
    if (said.value.text === "") return undefined;
    const timer = setTimeout(() => (said.value = { text: "" }), SAID_MS);
    return () => clearTimeout(timer);
  }, [said.value]);
  return [said.value.text, (text) => (said.value = { text })];
}

type RewindView = typeof import("./rewind/rewind.tsx").Rewind;

/** Loaded when the first message is rewound. */
function Rewinding(props: Parameters<RewindView>[0] & { failed(): void }) {
  const [One, oneSet] = useState<RewindView | null>(null);
  useEffect(() => {
    import("./rewind/rewind.tsx").then(({ Rewind }) => oneSet(() => Rewind), props.failed);
  }, []);
  return One === null ? null : <One {...props} />;
}

function Whole({ opened, outbox }: { opened: Opened; outbox: Outbox }) {
  const { state, problem } = opened, seat = useSeat();
  const [said, say] = useSaid();
  const editing = useSignal<Message | null>(null);
  const rewinding = useSignal<Message | null>(null);
  const returned = useSignal(""); // Text of a message that was taken back.
  const { session, compactions, deleted } = state.value;
  const mayWrite = may("run"), mayRewind = may("approve");
  const talk = useMemo<Talk>(() => ({
    session: opened.id, agent: session?.agent ?? null, model: session?.model ?? null,
    opened: new Map(), mayWrite, mayRewind,
    read: (message) => void opened.read(message),
    edit: (message) => (editing.value = message),
    rewind: (message) => (rewinding.value = message), say,
  }), [opened, session?.agent, session?.model, mayWrite, mayRewind]);
  useEffect(() => {
    if (compactions > 0) say(words.compacted);
  }, [compactions]);
  useEffect(() => {
    const still = state.value.messages.some(({ id }) => id === editing.value?.id);
    if (editing.value !== null && !still) editing.value = null;
  }, [state.value.messages]);
  useKeys([
    { name: "panel", run: () => panelToggle(seat) },
    { name: "trace", run: () => seat.go(`/s/${opened.id}/trace`) },
    { name: "changes", run: () => seat.go(`/s/${opened.id}/changes`) },
  ]);
  const goes = useSignal(0);
  const goTo = (message: string): void => {
    seat.setHash(message);
    goes.value++; // Also where it leads to the same one once more.
  };
  if (deleted || (problem.value !== null && session === null)) {
    return (
      <div class="page prose" role="alert">
        <h1>{deleted ? words.deleted : words.gone}</h1>
        {deleted || problem.value === null ? null : (
          <p>{shared.problem(problem.value)} <code>{problem.value.code}</code></p>
        )}
        {deleted ? null : <p><button onClick={opened.again}>{shared.retry}</button></p>}
        <p><a href="/sessions">{words.back}</a></p>
      </div>
    );
  }
  if (session === null) return <Loading />;
  const restore = async (): Promise<void> => {
    const answer = await patch(`/sessions/${opened.id}`, { deleted: false });
    if (!answer.ok) say(shared.problem(answer.problem));
  };
  return (
    <TalkContext.Provider value={talk}>
      <div class="session">
        <div class="middle">
          <div>
            <Top state={state.value} id={opened.id} />
            <Pins session={opened.id} onGo={goTo} />
          </div>
          <Boundary><Conversation opened={opened} goes={goes.value} say={say} /></Boundary>
          <div class="dock">
            <p class={said === "" ? "said-now hidden" : "said-now"} role="status">{said}</p>
            <Asks opened={opened} />
            {session.deleted_ms !== null ? (
              <p class="buttons" role="status">
                {words.isDeleted(timeTo(session.deleted_ms + KEPT_MS, now.value))}
                {mayWrite ? (
                  <button onClick={() => void restore()}>{words.restore}</button>
                ) : null}
              </p>
            ) : mayWrite ? (
              <Composer opened={opened} outbox={outbox} editing={editing.value} say={say}
                returned={returned}
                edit={(message) => (editing.value = message)} />
            ) : <p class="muted">{words.readOnly}</p>}
          </div>
        </div>
        <Panel session={opened.id} onGo={goTo} />
        {rewinding.value === null ? null : (
          <Rewinding key={rewinding.value.id} session={opened.id} message={rewinding.value}
            onClose={() => (rewinding.value = null)} done={(text, message) => {
              say(text);
              returned.value = message;
            }} failed={() => {
              rewinding.value = null;
              say(shared.otherBuild);
            }} />
        )}
      </div>
    </TalkContext.Provider>
  );
}

function One({ id }: { id: string }) {
  const opened = useMemo(() => openSession(id), []);
  const outbox = useMemo(() => outboxOf(id), []);
  useEffect(() => () => {
    opened.end();
    outbox.end();
  }, []);
  return <Whole opened={opened} outbox={outbox} />;
}

export const Session = ({ id = "" }: Params) => <One key={id} id={id} />;
