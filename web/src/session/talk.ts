/** What the rows of a conversation need of its view. */
import { createContext } from "preact";
import { useContext, useState } from "preact/hooks";

import type { Message } from "../state/message.ts";

export interface Talk {
  session: string;
  agent: string | null;
  model: string | null;
  /** What was opened and closed: a row that leaves the view and comes back is as it was. */
  opened: Map<string, boolean>;
  mayWrite: boolean;
  mayRewind: boolean;
  read(message: string): void;
  edit(message: Message): void;
  /** Asks whether what was done since a message is taken back. */
  rewind(message: Message): void;
  say(text: string): void;
}

export const TalkContext = createContext<Talk>({
  session: "", agent: null, model: null, opened: new Map(), mayWrite: false,
  mayRewind: false, read: () => {}, edit: () => {}, rewind: () => {}, say: () => {},
});
export const useTalk = (): Talk => useContext(TalkContext);

export function useOpen(key: string, begins: boolean): [boolean, (open: boolean) => void] {
  const { opened } = useTalk();
  const [, draw] = useState(0);
  return [opened.get(key) ?? begins, (open) => {
    opened.set(key, open);
    draw((count) => count + 1);
  }];
}
