export const meta = { name: "step-classes", description: "Phases are classes." };

class Step {
  static #made = [];
  static get made() { return Step.#made.map((step) => step.title); }
  #state = "new";
  title = this.constructor.name;
  constructor(input) {
    if (new.target === Step) throw new TypeError("Step is abstract");
    Object.assign(this, { input });
    Step.#made.push(this);
  }
  static { this.prototype.kind = "step"; }
  get state() { return this.#state; }
  async #run(work) {
    phase(this.constructor.title ?? this.title);
    this.#state = "running";
    try {
      return await work();
    } finally {
      this.#state = "done";
    }
  }
  then(resolve, reject) { // So that a step itself can be awaited.
    return this.#run(() => this.work(this.input)).then(resolve, reject);
  }
}
class Find extends Step {
  static title = "Find";
  work = async (what) => [await agent(`Find ${what}`, { label: "find" }), what];
}
const Mixin = (Base) => class extends Base {
  async work(input) { return [...await super.work(input), "checked"]; }
};
class Check extends Mixin(class Plain extends Step {
  async work([text]) {
    return [await agent(`Check ${text}`, { label: "check" })].map((one) => typeof one);
  }
}) {
  static title = "Check";
}
const found = await new Find("races");
const check = new Check(found);
const checked = await check;
let abstract = null;
try { new Step(); } catch ({ name, message }) { abstract = `${name}: ${message}`; }
return { checked, made: Step.made, state: check.state, abstract, kind: check.kind };
