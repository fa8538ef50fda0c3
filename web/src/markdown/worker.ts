/** The worker that reads Markdown: a job in, an answer or null out, one at a time. */
import { read } from "./read.ts";
import type { Job } from "./tree.ts";

const port = globalThis as unknown as {
  onmessage: (event: MessageEvent<Job>) => void;
  postMessage(message: unknown): void;
};

port.onmessage = ({ data }) => {
  try {
    port.postMessage(read(data));
  } catch {
    port.postMessage(null); // The stack of the lexer, or of the copy, was not enough.
  }
};
port.postMessage("ready");
