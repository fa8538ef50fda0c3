/** In place of `stream/`: the stream of the run, which has ended, or is as old as the file. */
import type { Client, Options } from "../stream/client.ts";
import { file } from "./file.ts";

const STREAM = `run:${file.run.id}`;

export const open = (_options: Options): Client => ({
  subscribe: (name, wish) => queueMicrotask(() => {
    if (name !== STREAM) wish.onSnapshot({}, 0);
    else wish.onEvents(file.events);
  }),
  unsubscribe: () => {},
  log: () => {
    throw new Error("a file has no output of jobs");
  },
  wake: () => {},
  report: () => ({ link: { phase: "open", since_ms: 0, retry_at_ms: null, attempts: 0, cuts: 0,
    silent_cuts: 0, clock: null, refusal: null }, unknown_frames: 0, broken_frames: 0, streams: {},
    logs: {} }),
  close: () => {},
});
