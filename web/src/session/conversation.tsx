/** What was said: rows from the newest up, and where the view stands in them. */
import { useComputed, useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useCallback, useEffect, useRef } from "preact/hooks";

import { List, type ListHandle } from "../parts/list.tsx";
import { useNamed, useSeat } from "../router/router.ts";
import { RowOf } from "./message.tsx";
import type { Opened } from "./open.ts";
import { rowsOf, type Row } from "./rows.ts";
import { words } from "./words.ts";

const keyOf = (row: Row): string => row.key;

interface ConversationProps {
  opened: Opened;
  /** Counts how often somebody wants to go to the message of the address. */
  goes: number;
  say(text: string): void;
}

/** `#msg_…` of the address is shown in the middle, and marked. */
function useTarget({ opened, goes, say }: ConversationProps, list: RefObject<ListHandle>) {
  const { hash } = useSeat();
  const target = /^msg_/.test(hash.value) ? hash.value : null;
  const isReady = opened.state.value.session !== null;
  const due = useRef<string | null>(null);
  useEffect(() => {
    due.current = target;
    if (target === null || !isReady) return;
    void opened.reach(target).then((found) => {
      if (!found) say(words.noMessage);
      else if (due.current === target) show();
    });
  }, [target, isReady, opened, goes]);
  /** Once its rows are drawn. */
  function show(): void {
    requestAnimationFrame(() => {
      const row = rowsOf(opened.messages.value, []).find(({ message }) => message.id === target);
      if (row !== undefined) list.current?.to(row.key);
    });
  }
  return target;
}

export function Conversation(props: ConversationProps) {
  const { opened } = props, named = useNamed();
  const { state, messages, atEnd } = opened;
  const list = useRef<ListHandle>(null);
  const isAtEnd = useSignal(true);
  const seen = useSignal(0); // Messages that had come when the end was left.
  const rows = useComputed(() => rowsOf(messages.value, state.value.queue));
  const target = useTarget(props, list);
  const fresh = state.value.added - seen.value;

  const onEnd = useCallback((is: boolean): void => {
    isAtEnd.value = is;
    seen.value = state.value.added;
  }, [opened]);
  const toEnd = (): void => {
    opened.toEnd();
    list.current?.toEnd();
  };
  if (rows.value.length === 0 && state.value.session !== null && !opened.hasOlder.value) {
    return (
      <div class="long-list none-said">
        <p>{words.noMessages}</p><p class="muted">{words.firstMessage}</p>
      </div>
    );
  }
  return (
    <div class="conversation">
      <List<Row> label={named(words.conversation)} items={rows.value} keyOf={keyOf} handle={list}
        draw={(row) => <RowOf row={row} marked={row.message.id === target} />}
        follows={atEnd.value} onEnd={onEnd}
        onTop={() => void opened.older()} onBottom={() => void opened.newer()} />
      {isAtEnd.value && atEnd.value ? null : (
        <button class="below" onClick={toEnd}>
          <span aria-hidden="true">⌄ </span>{words.newBelow(atEnd.value ? fresh : 0)}
        </button>
      )}
    </div>
  );
}
