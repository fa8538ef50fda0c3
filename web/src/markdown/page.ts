/** The queue of this page, with the real worker. */
import { startWorker } from "../parts/worker.ts";
import { queueOf, type Queue } from "./queue.ts";
import type { Answer } from "./tree.ts";

export const queue: Queue = queueOf({
  start(hears) {
    let worker: Worker | null = null;
    try {
      worker = startWorker("markdown");
    } catch {
      queueMicrotask(() => hears.error()); // No workers here: texts stay plain.
      return { post: () => {}, end: () => {} };
    }
    worker.onmessage = ({ data }: MessageEvent<"ready" | Answer | null>) =>
      (data === "ready" ? hears.ready() : hears.answer(data));
    worker.onerror = () => hears.error();
    return {
      post: (job) => worker.postMessage(job),
      end: () => {
        worker.onmessage = worker.onerror = null;
        worker.terminate();
      },
    };
  },
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
});
