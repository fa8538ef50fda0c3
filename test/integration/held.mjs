// held.mjs: a provider for tests that answers some prompts only when the test says so.
import { Counting } from "./counting.mjs";

/** A provider whose answers to prompts that hold "held" come when they are let go. */
export class Held extends Counting {
  #free = new Set();
  #waiting = new Set();

  /** All that is asked with this prompt, from now on, and what was asked so far. */
  free(prompt) {
    this.#free.add(prompt);
    for (const wait of this.#waiting) if (wait.prompt === prompt) wait.go();
  }

  hold(prompt) {
    this.#free.delete(prompt);
  }

  async speak(answer, said) {
    const { prompt } = said;
    if (prompt?.includes("held") && !this.#free.has(prompt)) {
      const wait = { prompt };
      this.#waiting.add(wait);
      await new Promise((go) => Object.assign(wait, { go }));
      this.#waiting.delete(wait);
    }
    await super.speak(answer, said);
  }
}
