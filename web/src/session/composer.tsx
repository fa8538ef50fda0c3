/** Where a message is written, or one that was sent is changed. */
import { useSignal, type Signal } from "@preact/signals";
import { Paperclip } from "lucide-preact";
import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";

import { patch, post } from "../api/api.ts";
import { useSeat } from "../router/router.ts";
import { Hint } from "../shell/kbd.tsx";
import { isPressed, keyOf, useKeys } from "../shell/keys.ts";
import { lastIndexOf } from "../state/arrays.ts";
import type { Message } from "../state/message.ts";
import { words as shared } from "../words.ts";
import { addedOf, isBusy as isReading, withFiles, type Added } from "./added.ts";
import { commandOf } from "./command.ts";
import { flowStart, startedSet } from "./flows.ts";
import { useOffers } from "./offers.tsx";
import type { Opened } from "./open.ts";
import { ordered } from "./orders.ts";
import { draftKeep, draftOf, type Letter, type Outbox } from "./outbox.ts";
import { Pickers } from "./pickers.tsx";
import { Queue } from "./queue.tsx";
import { isSheet, panelNow } from "./side/panel.tsx";
import { Started } from "./started.tsx";
import { answerer, plain, programOf } from "./text.ts";
import { words } from "./words.ts";

/** Two presses of Escape are one order if they are no longer apart. */
const TWICE_MS = 2_000;
const TEXT_MAX = 1 << 20; // Bytes of a message, as the daemon takes it.
const POLICIES = ["enqueue", "steer", "interrupt"];

const isMine = ({ role, status }: Message): boolean => role === "user" && status !== "joined";

interface ComposerProps {
  opened: Opened;
  outbox: Outbox;
  editing: Message | null;
  /** Text that is put before what is written, once. */
  returned: Signal<string>;
  edit(message: Message | null): void;
  say(text: string): void;
}

function Files({ added }: { added: Added }) {
  const files = added.files.value, fault = added.fault.value;
  if (files.length + fault.length === 0) return null;
  return (
    <div class="thumbs">
      {files.map((file) => (
        <button key={file.key} aria-label={words.removeFile(file.name)} title={file.name}
          class={`thumb${isReading(file) ? " busy" : ""}${file.url === "" ? " file" : ""}`}
          onClick={() => added.remove(file.key)}>
          {file.url === "" ? <bdi class="clip">{file.name}</bdi> : <img src={file.url} alt="" />}
          <span aria-hidden="true">×</span>
        </button>
      ))}
      {fault === "" ? null : <p class="tone-fail" role="alert">{fault}</p>}
    </div>
  );
}

/** As high as its text, up to the limit of the style. */
function useHeight(field: RefObject<HTMLTextAreaElement>, text: string): void {
  useLayoutEffect(() => {
    const box = field.current;
    if (box === null) return;
    box.style.height = "auto";
    box.style.height = `${box.scrollHeight}px`;
  }, [text]);
}

export function Composer({ opened, outbox, editing, returned, edit, say }: ComposerProps) {
  const { state } = opened, seat = useSeat();
  const field = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const draft = useSignal(draftOf(opened.id));
  const change = useSignal(""); // Of the message that is edited.
  const policy = useSignal("enqueue");
  const added = useMemo(() => addedOf(opened.id), [opened.id]), files = added.files.value;
  const session = state.value.session;
  const isBusy = state.value.turn !== null;
  const text = editing === null ? draft.value : change.value;
  useHeight(field, text);

  const typed = useRef(false);
  const draftSet = (value: string): void => {
    draftKeep(opened.id, value, draft.value);
    draft.value = value;
    typed.current = value !== "";
  };
  const write = (value: string): void => {
    if (editing !== null) change.value = value;
    else draftSet(value);
  };
  useEffect(() => {
    const keep = (): void => { // Another tab may have written over it, and sent that.
      if (typed.current && draftOf(opened.id) === "") draftKeep(opened.id, draft.value, "");
    };
    addEventListener("pagehide", keep);
    return () => {
      removeEventListener("pagehide", keep);
      keep();
    };
  }, []);
  useLayoutEffect(() => { // Before anything can be typed, which it would write over.
    if (editing === null) return;
    change.value = plain(editing);
    field.current?.focus();
  }, [editing?.id]);
  const before = (first: string): void => {
    edit(null);
    draftSet(draft.value === "" ? first : `${first}\n\n${draft.value}`);
    field.current?.focus();
  };
  useEffect(() => {
    if (returned.value === "") return;
    before(returned.value);
    returned.value = "";
  }, [returned.value]);
  const isUploading = files.some(isReading);
  const isEmpty = text.trim() === "" && files.length === 0;

  const caret = useSignal(text.length);
  const offers = useOffers({
    session, text, caret: editing === null ? caret.value : null,
    write: (value, at) => {
      draftSet(value);
      caret.value = at;
      if (field.current === null) return;
      field.current.value = value; // Else the caret would be put at the end of what is drawn later.
      field.current.setSelectionRange(at, at);
      field.current.focus();
    },
  });
  const caretRead = (event: { currentTarget: HTMLTextAreaElement }): void =>
    void (caret.value = event.currentTarget.selectionEnd);
  const starting = useRef(false);
  /** False: a program may know what this is. What was typed stays where nothing was done. */
  const start = async (of: string): Promise<boolean> => {
    const command = commandOf(of);
    if (command === null || session === null || added.files.value.length > 0) return false;
    const { name, question } = command;
    const said = await ordered(session, name, question, state.value.messages);
    const flow = said === null ? await flowStart(session, name, question) : null;
    if (flow !== null && typeof flow === "object") {
      startedSet(opened.id, (list) => [...list, flow]);
    }
    if (said === null && flow === null && programOf(session) !== null) return false;
    const problem = said ?? (flow === null ? words.noCommand(name)
      : typeof flow === "string" ? flow : "");
    if (problem !== "") say(problem);
    else if (draft.value === of) draftSet("");
    return true;
  };
  const sendText = (): void => {
    const whole = withFiles(text, files);
    if (new Blob([whole]).size > TEXT_MAX) return say(words.tooLongAll);
    const isTaken = outbox.send({
      text: whole, policy: isBusy ? policy.value : "enqueue",
      attachments: files.flatMap(({ id }) => (id === "" ? [] : id)),
    });
    if (!isTaken) return say(words.outboxFull);
    draftSet("");
    added.clear();
    field.current?.focus();
  };
  const send = (): void => {
    if (isEmpty || isUploading || starting.current) return;
    if (commandOf(draft.value) === null) return sendText();
    starting.current = true;
    void start(draft.value).then((isDone) => {
      starting.current = false;
      if (!isDone) sendText();
    });
  };
  const save = async (resend: boolean): Promise<void> => {
    if (editing === null || change.value.trim() === "") return;
    const body = { text: change.value };
    const answer = resend ? await post(`/messages/${editing.id}/resend`, body)
      : await patch(`/messages/${editing.id}`, body);
    if (answer.ok) edit(null);
    else say(shared.problem(answer.problem));
    field.current?.focus();
  };
  const stop = async (): Promise<void> => {
    const answer = await post(`/sessions/${opened.id}/stop`, {});
    // It had ended meanwhile.
    if (!answer.ok && answer.problem.status !== 409) say(shared.problem(answer.problem));
  };
  const cancel = (): void => {
    edit(null);
    field.current?.focus();
  };
  const isQueued = editing !== null && state.value.queue.includes(editing.id);
  const isCovered = panelNow(seat) !== null && isSheet(seat);
  const pressed_ms = useRef(-Infinity);
  /** Escape destroys nothing: it leaves an edit that changed nothing, and stops at its second
   *  press. Another key stops at once. */
  const leave = (event: KeyboardEvent): void => {
    if (event.repeat) return;
    if (editing !== null) {
      if (change.value === plain(editing)) cancel();
    } else if (keyOf("stop") !== "Escape" || event.timeStamp - pressed_ms.current < TWICE_MS) {
      pressed_ms.current = -Infinity;
      void stop();
    } else {
      pressed_ms.current = event.timeStamp;
      say(words.stopAgain);
    }
  };
  useKeys(isCovered || (editing === null && !isBusy) ? [] : [{ name: "stop", run: leave }]);
  const pressed = (event: KeyboardEvent): void => {
    if (event.isComposing || offers.pressed(event)) return;
    if (event.key === "Escape" || isPressed("stop", event)) {
      event.preventDefault();
      if (event.key === "Escape") {
        field.current?.blur();
        seat.box?.querySelector<HTMLElement>(".long-list")?.focus({ preventScroll: true });
      }
      if (isPressed("stop", event) && (editing !== null || isBusy)) leave(event);
    } else if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      if (editing === null) send();
      else void save(!isQueued);
    } else if (event.key === "ArrowUp" && isEmpty && editing === null) {
      const { messages } = state.value;
      const last = messages[lastIndexOf(messages, isMine)];
      if (last === undefined) return;
      event.preventDefault();
      edit(last);
    }
  };
  const filesOf = (list: FileList | undefined | null, event: Event): void => {
    if (!list || list.length === 0) return;
    event.preventDefault();
    added.add([...list]);
  };
  const back = (letter: Letter): void => {
    outbox.drop(letter.client_id);
    before(letter.text);
  };
  const last = state.value.messages[state.value.messages.length - 1];
  const isStopped = !isBusy && editing === null && isEmpty && last?.role === "assistant" &&
    last.cause === "stopped";
  const goOn = (): void => {
    const isTaken = outbox.send({ text: words.goOnText, policy: "enqueue", attachments: [] });
    if (!isTaken) say(words.outboxFull);
  };
  const name = session === null ? words.drover : answerer(session);
  return (
    <div class="composer" onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => filesOf(event.dataTransfer?.files, event)}>
      <Started session={opened.id} />
      <Queue opened={opened} outbox={outbox} edit={edit} write={back} say={say} />
      {offers.list}
      <div class={editing === null ? "box" : "box changing"}>
        {editing === null ? null : (
          <p class="muted small">{isQueued ? words.editingQueued : words.editing}</p>
        )}
        <Files added={added} />
        <textarea ref={field} rows={1} dir="auto" aria-label={words.message} value={text}
          data-keys={(seat.waits.value ?? 0) > 0 ? "answer" : undefined}
          placeholder={words.messageTo(name)} onKeyDown={pressed}
          onInput={(event) => {
            write(event.currentTarget.value);
            caretRead(event);
          }} onKeyUp={caretRead} onClick={caretRead} {...offers.field}
          onPaste={(event) => filesOf(event.clipboardData?.files, event)} />
        <div class="controls">
          <input ref={picker} class="hidden" type="file" multiple tabIndex={-1}
            aria-hidden="true" onChange={(event) => {
              filesOf(event.currentTarget.files, event);
              event.currentTarget.value = "";
            }} />
          <button class="quiet icon" aria-label={words.addFiles} title={words.addFiles}
            onClick={() => picker.current?.click()}>
            <Paperclip size={16} aria-hidden="true" />
          </button>
          {session === null ? null : <Pickers session={session} say={say} />}
          {isStopped ? <button onClick={goOn}>{words.goOn}</button> : null}
          {isBusy ? null : <span class="muted small wide">{words.enterSends}</span>}
          <span class="end acts">
            {!isBusy || editing !== null ? null : (
              <>
                <label class="small">
                  <span class="muted">{words.busy} </span>
                  <select aria-label={words.busy} value={policy.value}
                    onChange={(event) => (policy.value = event.currentTarget.value)}>
                    {POLICIES.map((one) => (
                      <option key={one} value={one}>{words.policies[one]}</option>
                    ))}
                  </select>
                </label>
                <button onClick={() => void stop()}>
                  {words.stop} <Hint of="stop" />
                  {keyOf("stop") === "Escape" ? <Hint of="stop" /> : null}
                </button>
              </>
            )}
            {editing === null ? (
              <button class="main" disabled={isEmpty || isUploading} onClick={send}>
                {words.send}
              </button>
            ) : (
              <>
                <button onClick={cancel}>{words.cancel} <Hint of="stop" /></button>
                <button class={isQueued ? "main" : ""} title={isQueued ? "" : words.saveAbout}
                  onClick={() => void save(false)}>
                  {words.save}
                </button>
                {isQueued ? null : (
                  <button class="main" title={words.resendAbout} onClick={() => void save(true)}>
                    {words.resend}
                  </button>
                )}
              </>
            )}
          </span>
        </div>
      </div>
    </div>
  );
}
