// by-word.mjs: one daemon and one provider for all tests of a file. The prompts of a test begin
// with a word of its own, by which the provider knows what to say and the test what was asked.
import { Counting } from "./counting.mjs";
import { Workflows } from "./workflows.mjs";

const wordOf = (prompt) => prompt.split(" ")[0];

export class ByWord {
  #says = new Map();
  #ends = [];

  /** `otherwise` answers the prompts of words that were taken without a `say`. */
  constructor(otherwise = (prompt) => ({ text: `heard ${prompt}` })) {
    this.provider = new Counting((prompt, times) => {
      const say = this.#says.get(wordOf(prompt)) ?? otherwise;
      return say(prompt, times) ?? otherwise(prompt, times);
    });
  }

  /** For before(): {flows, model}. */
  async open() {
    const suite = { after: (end) => this.#ends.push(end) };
    await this.provider.start(suite);
    const flows = await Workflows.open(suite);
    return { flows, model: await flows.connect(this.provider) };
  }

  /** For after(). */
  async close() {
    for (const end of this.#ends.reverse()) await end();
  }

  /** A test's own word. */
  word(say) {
    const word = `w${this.#says.size}`;
    this.say(word, say);
    return word;
  }

  /** `say`: as of Counting; undefined: as others. */
  say(word, say) {
    this.#says.set(word, say);
  }

  /** What was asked with that word, in its order. */
  asked(word) {
    return this.provider.prompts.filter((prompt) => wordOf(prompt) === word);
  }
}
