/** Texts of a rewind. */
import { count } from "../../parts/text.ts";

const filesOf = (files: number): string => `${count(files)} ${files === 1 ? "file" : "files"}`;

export const words = {
  title: "Rewind to before this message",
  reading: "Reading what would change …",
  files: "Files of the session",
  noFiles: "The session has changed no file since then.",
  fates: {
    restored: "restored", removed: "removed", changed: "changed back", mode: "mode",
  },
  refused: "Changed by others as well",
  refusedAbout: "Nothing is taken back while one of these is not checked. With a checked file, " +
    "their changes to it go, too.",
  conversation: "Also the conversation.",
  conversationAbout: "This message returns to the line below; it and what follows stay readable.",
  cancel: "Cancel",
  take: (files: number, conversation: boolean) => (files === 0
    ? (conversation ? "Take back the conversation" : "Nothing to take back")
    : `Take back ${filesOf(files)}${conversation ? " and the conversation" : ""}`),
  done: (files: number, conversation: boolean) => (files === 0 ? "The conversation is taken back."
    : `${filesOf(files)}${conversation ? " and the conversation" : ""} taken back.`),
};
