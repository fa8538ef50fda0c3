// flow.js: how the object that a flow's file exports is described, and how its functions are
// evaluated: the part of protocol.h that begins with "flow".
//
// It runs in the world of scripts, under the rules of prelude.js, which hands over `shared`: no
// method that a script may have replaced is called here. What a file exports is copied once, each
// getter read once. Functions are called from that copy alone: a script cannot replace one when the
// host has checked the description.
(function (native, shared) {
  "use strict";
  const { emit, emitAt, fail, keyOf, leave } = native;
  const { answerThrown, bytesWithin, cutTo, describe, frozen, hide, isRecord, warnOnce } = shared;
  const { Error, Function, Object, Promise, Proxy, RangeError, String, TypeError } = globalThis;
  const { parse, stringify } = JSON;
  const { isArray } = Array;
  const { isFinite } = Number;
  const { apply, getOwnPropertyDescriptor: propertyOf, has, ownKeys } = Reflect;
  const { keys, freeze, defineProperty, setPrototypeOf } = Object;
  const { toString: sourceOf } = Function.prototype;
  const { slice } = String.prototype;
  const promised = Promise.withResolvers.bind(Promise);

  const NONSENSE = 2; // Of protocol.h.
  const FLOW_MAX = 256 << 10, STEPS_MAX = 500, DEPTH_MAX = 64;
  const VALUE_MAX = 1 << 20, TASK_MAX = 1 << 20, AGENT_MAX = 200, DISPATCHES_MAX = 100;
  const TEXTS_MAX = 64 << 10;
  const NAME_MAX = 200, MESSAGE_MAX = 16 << 10, PART_MAX = 60, DIGEST_MAX = 32;

  // --- The description ---------------------------------------------------------------------------

  let room = FLOW_MAX;
  const take = (size, where) => {
    room -= size;
    if (room < 0) throw new RangeError("the flow is over 256 kB of JSON, which ends at " + where);
  };
  const refusal = (where, what) => {
    const whole = where === "" ? "the default export" : where;
    return new TypeError("a flow is made of JSON and functions, and " + whole + " is " + what);
  };
  // Tells an edited function from one that is as it was: a rerun reuses the steps of the latter.
  const digestOf = (body) =>
    apply(slice, keyOf("function\n", apply(sourceOf, body, []), undefined, undefined),
      [0, DIGEST_MAX]);
  const KINDS = { __proto__: null, undefined: "undefined", symbol: "a symbol", bigint: "a BigInt" };

  const copied = (value, owner, where, depth) => {
    take(1, where);
    if (value === null || typeof value === "boolean") return value;
    if (typeof value === "string") {
      take(value.length, where);
      return value;
    }
    if (typeof value === "number") {
      if (!isFinite(value)) throw refusal(where, value !== value ? "NaN" : "infinite");
      return value;
    }
    if (typeof value === "function") {
      const found = { __proto__: null, function: true, digest: digestOf(value) };
      hide(found, "body", value);
      hide(found, "owner", owner);
      return freeze(found);
    }
    if (typeof value !== "object") throw refusal(where, KINDS[typeof value]);
    if (depth === DEPTH_MAX) throw refusal(where, "nested too deeply, or a part of itself");
    return isArray(value) ? copiedList(value, where, depth) : copiedObject(value, where, depth);
  };
  const copiedList = (list, where, depth) => {
    const copy = setPrototypeOf([], null);
    const { length } = list;
    if (where === "steps" && length > STEPS_MAX) {
      throw new RangeError("a flow has at most " + STEPS_MAX + " steps");
    }
    for (let i = 0; i < length; i++) {
      copy[i] = copied(list[i], list, where + "[" + i + "]", depth + 1);
    }
    return freeze(copy);
  };
  const copiedObject = (object, where, depth) => {
    const copy = { __proto__: null };
    const names = keys(object);
    for (let i = 0; i < names.length; i++) {
      const name = names[i];
      const value = object[name];
      if (value === undefined) continue;
      take(name.length, where);
      const part = name.length > PART_MAX ? cutTo(name, PART_MAX) + "…" : name;
      copy[name] = copied(value, object, where === "" ? part : where + "." + part, depth + 1);
    }
    return freeze(copy);
  };

  // Texts of the functions `run`, by step: approvers see what their yes is about. They stand beside
  // the steps, by whose members a rerun finds those that were edited. Each is whole, since files
  // that it names are looked for, or left out, and says so.
  const textsOf = (list) => {
    const texts = { __proto__: null };
    let left = TEXTS_MAX, asked = false;
    for (let i = 0; i < list.length; i++) {
      const step = list[i];
      if (!isRecord(step)) continue;
      asked ||= isArray(step.approvers) && step.approvers.length > 0;
      const body = isRecord(step.run) ? step.run.body : undefined;
      if (typeof body !== "function" || typeof step.id !== "string") continue;
      const text = apply(sourceOf, body, []);
      const fits = text.length <= left;
      if (fits) left -= text.length;
      texts[step.id] = fits ? text : "… a function of " + text.length + " characters, sha256 " +
        keyOf("", text, undefined, undefined) + ", is left out: no file that it names is fixed";
    }
    return asked ? texts : undefined;
  };

  let flow; // The copy.
  const steps = { __proto__: null }; // The parts of it, by id.
  const describeFlow = (exported) => {
    const kind = isArray(exported) ? "a list" : exported === null ? "null" : typeof exported;
    if (kind !== "object") {
      throw new TypeError("the default export must be a flow, an object with name, description, " +
        "steps and render; it is " + (kind === "function" || kind === "string" ? "a " : "") + kind);
    }
    flow = copied(exported, undefined, "", 0);
    const text = stringify(flow);
    if (!bytesWithin(text, FLOW_MAX)) throw new RangeError("the flow is over 256 kB of JSON");
    const list = isArray(flow.steps) ? flow.steps : [];
    const texts = textsOf(list);
    for (let i = 0; i < list.length; i++) {
      const step = list[i];
      if (isRecord(step) && typeof step.id === "string" && steps[step.id] === undefined) {
        steps[step.id] = step;
      }
    }
    emit('{"t":"flow","flow":' +
      (texts === undefined ? text : stringify({ __proto__: null, ...flow, texts })) + "}");
  };

  // The function that is to be evaluated, with what it is a member of; undefined: there is none.
  const functionOf = (step, order) => {
    const { what } = order;
    let found;
    if (what === "render" || what === "output") found = flow[what];
    else if (step === undefined) return undefined;
    else if (what === "when" || what === "run") found = step[what];
    else if (what === "until") found = isRecord(step.loop) ? step.loop.until : undefined;
    else if (what === "case") {
      const one = isArray(step.cases) ? step.cases[order.no] : undefined;
      found = isRecord(one) ? one.condition : undefined;
    } else leave(NONSENSE);
    return isRecord(found) && typeof found.body === "function" ? found : undefined;
  };

  // --- What a function is given ------------------------------------------------------------------

  let input, model, rejected; // input: its text.
  let results = {}, lent = false; // lent: an evaluation has them, so they stay as they are.
  let waiting = 0; // Calls of dispatch() without an answer, of all evaluations.
  const evaluations = { __proto__: null }; // Those under way, by id.

  const put = (object, name, value) => {
    defineProperty(object, name, {
      __proto__: null, value, writable: true, enumerable: true, configurable: true,
    });
  };
  const learn = (message) => {
    if (lent) {
      const copy = {};
      const before = keys(results);
      for (let i = 0; i < before.length; i++) put(copy, before[i], results[before[i]]);
      results = copy;
      lent = false;
    }
    const news = message.results ?? {};
    const names = keys(news);
    for (let i = 0; i < names.length; i++) {
      const name = names[i];
      if (news[name] === null) delete results[name];
      else put(results, name, news[name]);
    }
    if (message.rejected !== undefined) rejected = message.rejected ?? undefined;
  };

  // The results that were known when the evaluation began. Each look at one is noted.
  const resultsOf = (one) => {
    if (!lent) freeze(results);
    lent = true;
    return new Proxy(results, {
      __proto__: null,
      get(known, name) {
        one.read = true;
        return known[name];
      },
      has(known, name) {
        one.read = true;
        return has(known, name);
      },
      ownKeys(known) {
        one.read = true;
        return ownKeys(known);
      },
      getOwnPropertyDescriptor(known, name) {
        one.read = true;
        return propertyOf(known, name);
      },
      set() {
        throw new TypeError("ctx.results is read-only: what run() returns is the step's result");
      },
    });
  };

  const FUNCTIONS = { __proto__: null, case: "condition" };
  const functionName = (what) => FUNCTIONS[what] ?? what;
  const refuseDispatch = (one, agent, task) => {
    if (typeof agent !== "string" || agent === "") {
      throw new TypeError("dispatch(): the agent must be a name");
    }
    if (!bytesWithin(agent, AGENT_MAX)) {
      throw new RangeError("dispatch(): the agent's name is over " + AGENT_MAX + " bytes");
    }
    if (typeof task !== "string" || task === "") {
      throw new TypeError("dispatch(): the task must be a text that is not empty");
    }
    if (!bytesWithin(task, TASK_MAX)) throw new RangeError("dispatch(): the task is over 1 MB");
    if (one.over) throw new Error("dispatch(): this run() of the step has ended");
    if (one.made === DISPATCHES_MAX) {
      throw new Error("dispatch cap reached: at most " + DISPATCHES_MAX + " agents in one step");
    }
  };
  const dispatchIn = (one) => function dispatch(agent, task) {
    if (one.what !== "run" || one.step.kind !== "code") {
      const whose = one.what === "run" ? " of a step of another kind" : "";
      throw new TypeError("dispatch() is for run() of a code step; this is " +
        functionName(one.what) + "()" + whose);
    }
    const { promise, resolve, reject } = promised();
    try {
      refuseDispatch(one, agent, task);
      // The error is made here: it knows the line of the call, and an answer does not.
      const who = { __proto__: null, resolve, reject, place: new Error() };
      const call = one.made + 1;
      emit('{"t":"dispatch","id":' + one.id + ',"call":' + call + ',"agent":' + stringify(agent) +
        ',"task":' + stringify(task) + "}");
      one.made = call;
      one.calls[call] = who;
      one.waiting++;
      waiting++;
    } catch (error) {
      reject(error);
    }
    return promise;
  };
  const contextOf = (one) => freeze({
    input: input === undefined ? undefined : frozen(parse(input)),
    results: resultsOf(one), model, rejected, dispatch: dispatchIn(one),
  });

  // --- Evaluations -------------------------------------------------------------------------------

  const DECIDES = { __proto__: null, when: true, case: true, until: true };
  const valueOf = (one, value) => {
    if (DECIDES[one.what]) return value ? "true" : "false";
    if (value === undefined) return "null";
    const text = stringify(value);
    if (text === undefined) {
      throw new TypeError(one.what + "() must return a text, or JSON, and no " + typeof value);
    }
    if (!bytesWithin(text, VALUE_MAX)) {
      throw new RangeError(one.what + "() returned over 1 MB of JSON");
    }
    return text;
  };

  const close = (one) => {
    one.over = true;
    waiting -= one.waiting;
    delete evaluations[one.id];
  };
  const tellValue = (one, text) => {
    if (one.waiting > 0) {
      const calls = one.waiting === 1 ? "1 call" : one.waiting + " calls";
      warnOnce("step " + stringify(one.step.id) + ": " + calls + " of dispatch() had no answer " +
        "when run() returned, and will have none: is an await missing?");
    }
    close(one);
    emit('{"t":"value","id":' + one.id + ',"v":' + text + (one.read ? ',"read":true}' : "}"));
  };
  const tellFailed = (one, about) => {
    close(one);
    const head = '{"t":"failed","id":' + one.id +
      ',"name":' + stringify(cutTo(about.name, NAME_MAX)) +
      ',"message":' + stringify(cutTo(about.message, MESSAGE_MAX));
    emitAt(head, about.stack);
  };
  const failOne = (one, error) => {
    const about = describe(error);
    if (about.name === "InternalError" && about.message === "out of memory") throw error;
    tellFailed(one, about);
  };

  // An answer that cannot be written is one that the host would wait for: that is the end.
  const evaluate = async (one, found) => {
    let text, thrown, threw = false;
    try {
      text = valueOf(one, await apply(found.body, found.owner, [contextOf(one)]));
    } catch (error) {
      threw = true;
      thrown = error;
    }
    if (one.over) return;
    try {
      if (threw) failOne(one, thrown);
      else tellValue(one, text);
    } catch {
      fail("memory_exceeded", "Error", "out of memory", "");
    }
  };

  const begin = (order) => {
    const { id, what } = order;
    const step = order.step === undefined ? undefined : steps[order.step];
    if (id === undefined || evaluations[id] !== undefined) leave(NONSENSE);
    const one = {
      __proto__: null, id, what, step, read: false, over: false, made: 0, waiting: 0,
      calls: { __proto__: null },
    };
    evaluations[id] = one;
    const found = functionOf(step, order);
    if (found === undefined) {
      const whose = order.step === undefined ? "the flow" : "step " + stringify(order.step);
      failOne(one, new TypeError(whose + " has no function " + functionName(what)));
    } else evaluate(one, found);
  };

  // Of an evaluation that is over, an answer may have been on its way.
  const answer = (message) => {
    const one = evaluations[message.id];
    if (one === undefined) return;
    const who = one.calls[message.call];
    if (who === undefined) leave(NONSENSE);
    delete one.calls[message.call];
    one.waiting--;
    waiting--;
    if (message.o === "value") who.resolve(message.v);
    else if (message.o === "throw") who.reject(answerThrown(who, message));
    else leave(NONSENSE);
  };

  // Names that a script of a workflow finds, and a flow does not.
  const absent = (name) => {
    const refuse = () => {
      throw new TypeError(name + "() is not available in a flow: its steps are what runs, and " +
        "run() of a code step starts agents by ctx.dispatch(agent, task)");
    };
    hide(refuse, "name", name);
    return refuse;
  };

  return {
    __proto__: null, describe: describeFlow,

    begin(order) {
      input = order.input === undefined ? undefined : stringify(order.input);
      model = order.model ?? undefined;
    },

    surface: {
      __proto__: null, agent: absent("agent"), parallel: absent("parallel"),
      pipeline: absent("pipeline"), phase: absent("phase"), workflow: absent("workflow"),
      args: undefined, budget: undefined, meta: undefined,
    },

    // One message of the host's.
    take(message) {
      if (message.t === "know") learn(message);
      else if (message.t === "eval") begin(message);
      else if (message.t === "answer") answer(message);
      else if (message.t === "drop") {
        const one = evaluations[message.id];
        if (one !== undefined) close(one);
      } else leave(NONSENSE);
    },

    // All jobs have run. An evaluation may wait for another's dispatch(): while one is under way,
    // each may still end.
    settle() {
      const open = waiting > 0 ? [] : keys(evaluations);
      for (let i = 0; i < open.length; i++) {
        const one = evaluations[open[i]];
        tellFailed(one, {
          __proto__: null, name: "Error", stack: "",
          message: functionName(one.what) + "() waits for what cannot come: " +
            "no call of dispatch() is under way",
        });
      }
    },
  };
})
