// prelude.js: what a workflow script finds in its world, on the script's side of the wall.
//
// It shares its world with scripts that may have replaced every method of every prototype. So what
// is needed later is taken now; nothing below calls a method of an object that a script can reach,
// or looks up a member that might be missing on one; lists and dictionaries have no prototype.
// Not even templates are free of that: the engine makes them of calls of String.prototype.concat.
// `format` is that of format.js, `makeFlow` that of flow.js.
(function (native, format, makeFlow) {
  "use strict";
  const { keyOf, sizeOf, call, line, emit, emitAt, end, fail, compile } = native;
  const { limit, leave, placeOf } = native;
  const { Error, TypeError, RangeError, SyntaxError, EvalError } = globalThis;
  const { Array, Object, Promise, String } = globalThis;
  const { parse, stringify } = JSON;
  const { isArray, from: arrayFrom } = Array;
  const { apply } = Reflect;
  const { keys, hasOwn, freeze, defineProperty, setPrototypeOf } = Object;
  const { sort } = Array.prototype;
  const { charCodeAt, slice } = String.prototype;
  const { isInteger } = Number;
  const { max, floor } = Math;
  const { add: addTo, has: isIn } = WeakSet.prototype;
  const globalObject = globalThis;
  const promised = Promise.withResolvers.bind(Promise);
  const hide = (object, name, value) => {
    const hidden = { __proto__: null, value, writable: true, configurable: true };
    defineProperty(object, name, hidden);
  };

  // --- Texts on their way out: canonical JSON, and its limits ------------------------------------

  const CANONICAL_KEPT = 64;
  const own = (object, name) => (hasOwn(object, name) ? object[name] : undefined);

  const bytesWithin = (text, most) => text.length * 3 <= most || sizeOf(text) <= most;

  // The longest beginning within `most` bytes of UTF-8, and no half characters.
  const cutTo = (text, most) => {
    if (bytesWithin(text, most)) return text;
    let bytes = 0, at = 0;
    while (at < text.length) {
      const unit = apply(charCodeAt, text, [at]);
      const pair = unit >= 0xd800 && unit < 0xdc00 && at + 1 < text.length;
      const size = unit < 0x80 ? 1 : unit < 0x800 ? 2 : pair ? 4 : 3;
      if (bytes + size > most) break;
      bytes += size;
      at += pair ? 2 : 1;
    }
    return apply(slice, text, [0, at]);
  };

  const canonical = (value) => {
    if (value === null || typeof value !== "object") return stringify(value);
    let text = "";
    if (isArray(value)) {
      for (let i = 0; i < value.length; i++) text += (i > 0 ? "," : "") + canonical(value[i]);
      return "[" + text + "]";
    }
    const names = apply(sort, keys(value), []);
    for (let i = 0; i < names.length; i++) {
      text += (i > 0 ? "," : "") + stringify(names[i]) + ":" + canonical(value[names[i]]);
    }
    return "{" + text + "}";
  };

  let kept = { __proto__: null }, keptCount = 0;
  // The same schema comes with many calls: what it comes to is kept by its text.
  const canonicalText = (text) => {
    const known = kept[text];
    if (known !== undefined) return known;
    if (keptCount++ === CANONICAL_KEPT) {
      kept = { __proto__: null };
      keptCount = 1;
    }
    return (kept[text] = canonical(parse(text)));
  };

  // --- Options of agent() ------------------------------------------------------------------------

  // The least of another host is our least.
  const EFFORTS = { __proto__: null,
    minimal: '"low"', low: '"low"', medium: '"medium"', high: '"high"', xhigh: '"xhigh"',
    max: '"max"',
  };
  const isRecord = (value) => typeof value === "object" && value !== null && !isArray(value);
  const expected = (name, what) => new TypeError("agent(): opts." + name + " must be " + what);
  const string = (name, value) => {
    if (typeof value !== "string") throw expected(name, "a string");
    return stringify(value);
  };
  const json = (name, value) => {
    const text = stringify(value);
    if (text === undefined) throw expected(name, "JSON");
    return canonicalText(text);
  };
  const strings = (name, value) => {
    let good = isArray(value);
    for (let i = 0; good && i < value.length; i++) good = typeof value[i] === "string";
    if (!good) throw expected(name, "an array of strings");
    return json(name, value);
  };
  const count = (name, value) => {
    if (!isInteger(value) || value < 0) throw expected(name, "a whole number, 0 or more");
    return stringify(value);
  };
  const LIMITS = {
    __proto__: null, agents: 1, cost_micros: 1, output_tokens: 1, tokens: 1, wall_ms: 1,
  };
  const isAmount = (value) => isInteger(value) && value >= 0 && value <= 1e15;
  const budgetLimits = (text) => {
    const all = parse(text);
    const names = keys(all);
    for (let i = 0; i < names.length; i++) {
      const name = names[i];
      if (LIMITS[name] === undefined) {
        throw new TypeError("agent(): opts.budget: unknown limit " + stringify(name));
      }
      const value = own(all, name);
      if (value !== null && !isAmount(value)) {
        throw expected("budget." + name, "a whole number, 0 or more, or null");
      }
    }
    return text;
  };
  // Ours, those of Claude Code that mean some of ours (tool/agent_types.c), and all.
  const TOOLS = { __proto__: null, "*": 1,
    ask_user: 1, delete_file: 1, edit_file: 1, list_files: 1, load_skill: 1, read_file: 1,
    read_session: 1, recall: 1, remember: 1, request_access: 1, run_command: 1, run_job: 1,
    run_workflow: 1, search_files: 1, spawn_subagent: 1, subagent_cancel: 1, subagent_result: 1,
    subagent_status: 1, web_fetch: 1, web_search: 1, write_file: 1,
    Read: 1, Write: 1, Edit: 1, MultiEdit: 1, Glob: 1, LS: 1, Grep: 1, Bash: 1, WebFetch: 1,
    WebSearch: 1, Skill: 1,
  };
  const tools = (name, value) => {
    const text = strings(name, value);
    for (let i = 0; i < value.length; i++) {
      if (TOOLS[value[i]] !== undefined) continue;
      throw new TypeError("agent(): opts.tools: there is no tool " + stringify(value[i]));
    }
    return text;
  };
  // In the order of their names, which is the canonical one.
  const OPTIONS = {
    __proto__: null,
    agentType: string,
    budget(name, value) {
      if (isAmount(value)) return stringify(value);
      if (!isRecord(value)) throw expected(name, "output tokens, or an object of limits");
      return budgetLimits(json(name, value));
    },
    capabilities: strings,
    effort(name, value) {
      if (typeof value !== "string" || EFFORTS[value] === undefined) {
        throw expected(name, "'low', 'medium', 'high', 'xhigh' or 'max'");
      }
      return EFFORTS[value];
    },
    isolation(name, value) {
      if (value === "remote") {
        throw new TypeError("agent(): opts.isolation 'remote' is not available: this host has no " +
          "other machine for an agent; 'worktree' gives it a working tree of its own");
      }
      if (value !== "worktree") throw expected(name, "'worktree'");
      return stringify(value);
    },
    max_tool_calls: count,
    max_tool_iters: count,
    model: string,
    schema(name, value) {
      if (!isRecord(value)) throw expected(name, "an object");
      const text = json(name, value);
      const root = parse(text);
      if (!isRecord(root) || own(root, "type") !== "object") {
        throw expected(name, "a schema whose root has type 'object'");
      }
      return text;
    },
    tools,
  };
  const OPTION_NAMES = keys(OPTIONS);

  const shown = (name, value) => {
    if (value === null) return undefined;
    if (value !== undefined && typeof value !== "string") throw expected(name, "a string");
    return value;
  };

  // The members that count, as canonical JSON; label and phase are for show. A member that is null
  // counts as missing. Options of other hosts are ignored, and each name is logged once.
  const readOptions = (opts) => {
    if (opts === undefined || opts === null) return NO_OPTIONS;
    if (!isRecord(opts)) throw new TypeError("agent(): opts must be an object");
    const names = keys(opts);
    let label, phase, counting = 0;
    for (let i = 0; i < names.length; i++) {
      const name = names[i];
      if (name === "label") label = shown(name, opts[name]);
      else if (name === "phase") phase = shown(name, opts[name]);
      else if (OPTIONS[name] !== undefined) counting++;
      else if (opts[name] !== undefined) tellIgnored(name);
    }
    return { __proto__: null, text: counting > 0 ? counted(opts) : "{}", label, phase };
  };
  const counted = (opts) => {
    let text = "";
    for (let i = 0; i < OPTION_NAMES.length; i++) {
      const name = OPTION_NAMES[i];
      const value = own(opts, name);
      if (value === undefined || value === null) continue;
      text += (text === "" ? '"' : ',"') + name + '":' + OPTIONS[name](name, value);
    }
    return "{" + text + "}";
  };
  const NO_OPTIONS = { __proto__: null, text: "{}", label: undefined, phase: undefined };

  // --- The state of a run ------------------------------------------------------------------------

  const STOPPED = 0, NONSENSE = 2; // Of protocol.h.
  const WARNINGS_MAX = 100;
  const CHECK_MS = 5000, CHECK_MB = 64; // To read a script.
  const PROMPT_MAX = 1 << 20, OPTIONS_MAX = 256 << 10, ARGUMENTS_MAX = 1 << 20;
  // Texts of no more units than these cannot be too long.
  const PROMPT_SURE = PROMPT_MAX / 3, OPTIONS_SURE = OPTIONS_MAX / 3;
  let limits, total = null, spent = 0;
  let timersMade = 0, timersOpen = 0, timersUnsettled = 0; // Open: neither settled nor cleared.
  const timers = { __proto__: null }; // The object of setTimeout() → its timer, while that is open.
  let made = 0, agents = 0, settled = 0, lines = 0; // Calls made so far, and so on.
  const told = { __proto__: null }; // Warnings that were logged.
  let toldCount = 0;
  const occurrences = { __proto__: null }; // KEY → how many such calls were made.
  const open = { __proto__: null }; // id → what waits for an answer from outside.
  let history = [], repeated = 0; // Earlier outcomes, and the number of those that were repeated.
  const recorded = { __proto__: null }; // KEY and occurrence → its place in the history.
  const waiting = { __proto__: null }; // Place in the history → what waits for that answer.
  let inbox = [], taken = 0;
  let flow, described = false; // flow: what flow.js made, when the script is the file of a flow.

  const ERRORS = { __proto__: null, Error, TypeError, RangeError, SyntaxError, EvalError };
  const { get: getStack } = Object.getOwnPropertyDescriptor(Error.prototype, "stack");
  const stackOf = (error) => apply(getStack, error, []) ?? "";
  const placed = (error) => {
    const stack = stackOf(error);
    return typeof stack === "string" ? stack : undefined;
  };
  const tooMany = (code, message) => fail(code, "Error", message, stackOf(new Error()));

  // --- Results that are objects ------------------------------------------------------------------

  // Of scripts that were written for a host whose calls resolve to these, and never reject.
  // `facts`: members of the answer, which the journal has, so that a replay gives equal objects.
  const withFacts = (result, facts) => {
    if (facts.used !== undefined) result.token_usage = facts.used;
    if (facts.cached === true) result.cached = true;
    return result;
  };
  const NO_FACTS = { __proto__: null };
  const success = (output, facts) => withFacts({ ok: true, output }, facts);
  const failure = (error, facts) => withFacts({ ok: false, output: "", error }, facts);

  // Limits are failures of the call; a wrong argument is a mistake in the script, and throws.
  const limitErrors = new WeakSet();
  const atLimit = (error) => {
    apply(addTo, limitErrors, [error]);
    return error;
  };
  const refuse = (scope, error, resolve, reject) => {
    const limited = scope.objects && typeof error === "object" && error !== null &&
      apply(isIn, limitErrors, [error]);
    if (limited) resolve(failure(error.message, NO_FACTS));
    else reject(error);
  };

  // --- Calls -------------------------------------------------------------------------------------

  // Counts a call. Its occurrence, if the host must be asked; 0: the history has the answer.
  // `child`: what a nested script is begun with; `label`: of an agent.
  const note = (scope, key, resolve, reject, child, label) => {
    // The error is made here: it knows the line of the call, and an answer does not.
    const { objects } = scope;
    const who = { __proto__: null, resolve, reject, place: new Error(), child, label, objects };
    const n = (occurrences[key] || 0) + 1;
    occurrences[key] = n;
    made++;
    if (made - settled > limits.unanswered) {
      tooMany("too_many_calls", "over " + limits.unanswered + " calls wait for an answer");
    }
    if (repeated < history.length) {
      const place = recorded[key + n];
      if (place !== undefined) {
        waiting[place] = who;
        return 0;
      }
    }
    open[made] = who;
    return n;
  };

  const refusePrompt = (prompt) => {
    if (prompt === "") throw new TypeError("agent(): the prompt must not be empty");
    const kind = prompt === null ? "null" : isArray(prompt) ? "an array" : typeof prompt;
    throw new TypeError("agent(): the prompt must be a string, not " + kind);
  };
  const checkSizes = (prompt, options) => {
    if (!bytesWithin(prompt, PROMPT_MAX)) {
      throw atLimit(new RangeError("agent(): the prompt is over 1 MB"));
    }
    if (!bytesWithin(options.text, OPTIONS_MAX)) {
      throw atLimit(new RangeError("agent(): opts are over 256 kB"));
    }
  };
  const refuseMore = () => {
    if (agents >= limits.agents) {
      const most = limits.agents;
      throw atLimit(new Error("agent cap reached: at most " + most + " agents in one run"));
    }
    throw atLimit(new Error("budget exhausted: " + spent + " of " + total + " tokens are spent"));
  };

  const agentIn = (scope) => function agent(prompt, opts) {
    const { promise, resolve, reject } = promised();
    try {
      if (typeof prompt !== "string" || prompt === "") refusePrompt(prompt);
      const options = opts === undefined ? NO_OPTIONS : readOptions(opts);
      if (prompt.length > PROMPT_SURE || options.text.length > OPTIONS_SURE) {
        checkSizes(prompt, options);
      }
      if (agents >= limits.agents || (total !== null && spent >= total)) refuseMore();
      agents++;
      const key = keyOf("agent\n", scope.path, options.text, prompt);
      const n = note(scope, key, resolve, reject, undefined, options.label);
      if (n > 0) {
        const phase = options.phase === undefined ? scope.title : options.phase;
        call(made, key, n, prompt, options.text, options.label, phase, placed(open[made].place));
      }
    } catch (error) {
      refuse(scope, error, resolve, reject);
    }
    return promise;
  };

  const workflowIn = (scope) => function workflow(which, args) {
    const { promise, resolve, reject } = promised();
    try {
      if (scope.nested) {
        const message = "workflow() is one level deep: a nested workflow cannot start another";
        throw atLimit(new Error(message));
      }
      const byPath = typeof which === "object" && which !== null;
      const name = byPath ? own(which, "scriptPath") : which;
      if (typeof name !== "string" || name === "") {
        throw new TypeError("workflow(): the first argument must be a name or {scriptPath}");
      }
      const given = args === undefined ? undefined : stringify(args);
      let whole = (byPath ? '"path":' : '"name":') + stringify(name);
      if (given !== undefined) whole = '"args":' + canonical(parse(given)) + "," + whole;
      if (!bytesWithin(whole, ARGUMENTS_MAX)) {
        throw atLimit(new RangeError("workflow(): args are over 1 MB"));
      }
      const key = keyOf("workflow\n", scope.path, "{" + whole + "}", undefined);
      const child =
        { __proto__: null, path: name, args: given, name: byPath ? undefined : name };
      const n = note(scope, key, resolve, reject, child);
      const head = '{"t":"workflow","id":' + made + ',"k":"' + key + '","n":' + n + ",";
      if (n > 0) emit(head + whole + "}");
    } catch (error) {
      refuse(scope, error, resolve, reject);
    }
    return promise;
  };

  // --- Timers ------------------------------------------------------------------------------------

  // A timer is a call like that of an agent: the host says when it is over. One that was cleared is
  // settled, too, and that outcome is ignored.
  const makeTimer = (scope, kind, name, ms, act) => {
    let delay = +ms;
    if (delay > limits.timer_ms) {
      const most = limits.timer_ms;
      throw new RangeError(name + "(): at most 30 days (" + most + " ms), not " + delay);
    }
    delay = delay >= 1 ? floor(delay) : 0; // A value that is no number counts as 0, too.
    if (timersOpen >= limits.timers_open) {
      throw new RangeError(
        name + "(): at most " + limits.timers_open + " timers of one run wait at once");
    }
    if (timersMade >= limits.timers) {
      throw new RangeError(name + "(): at most " + limits.timers + " timers in one run");
    }
    const id = ++timersMade;
    timersOpen++;
    timersUnsettled++;
    const key = keyOf("timer\n", scope.path, '{"ms":' + delay + "}", undefined);
    const timer = { __proto__: null, key, n: 0, cleared: false };
    const n = note(scope, key, () => {
      timersUnsettled--;
      if (timer.cleared) return;
      timersOpen--;
      delete timers[id];
      act();
    });
    timer.n = n;
    if (n > 0) {
      const head = '{"t":"timer","id":' + made + ',"k":"' + key + '","n":' + n + ',"ms":' + delay;
      emitAt(head + ',"kind":"' + kind + '"', placed(open[made].place) ?? "");
    }
    timers[id] = timer;
    return id;
  };
  const setTimeoutIn = (scope) => function setTimeout(callback, ms, ...values) {
    if (typeof callback !== "function") {
      throw new TypeError("setTimeout(): the first argument must be a function");
    }
    // The run fails if the callback throws, since no code of the script can catch that.
    return makeTimer(scope, "timeout", "setTimeout", ms, () => apply(callback, undefined, values));
  };
  const sleepIn = (scope) => function sleep(ms) {
    const { promise, resolve, reject } = promised();
    try {
      makeTimer(scope, "sleep", "sleep", ms, () => resolve());
    } catch (error) {
      reject(error);
    }
    return promise;
  };
  // An outcome that the history has needs no word to the host.
  function clearTimeout(id) {
    const timer = typeof id === "number" ? timers[id] : undefined;
    if (timer === undefined) return;
    timer.cleared = true;
    timersOpen--;
    delete timers[id];
    if (timer.n > 0) emit('{"t":"clear","k":"' + timer.key + '","n":' + timer.n + "}");
  }
  function setInterval() {
    throw new Error("setInterval() is not available: use sleep() in a loop, as in " +
      "while (more) { await work(); await sleep(1000); }");
  }

  // --- Errors that make an item null -------------------------------------------------------------

  // Each distinct error is a line of the log when its call has ended. Later occurrences are
  // counted, and reported as a total when the script ends. All of it follows from the journal: a
  // replay reports the same under the same numbers.
  const THROWN_MAX = 20, THROWN_BYTES = 1000;
  const thrown = { __proto__: null }; // By their words,
  const thrownOrder = { __proto__: null }; // and as they came.
  let thrownCount = 0, thrownMore = 0, itemsFailed = 0, callsFailed = 0;
  // Errors that came with the answer of an agent, whose row says why.
  const answered = new WeakSet();

  // False: the error is in the row of an agent.
  const noteThrown = (who, error) => {
    if (typeof error === "object" && error !== null && apply(isIn, answered, [error])) return false;
    itemsFailed++;
    const about = describe(error);
    const place = about.stack === "" ? "" : placeOf(about.stack);
    const said = about.name + ": " + about.message + (place === "" ? "" : " at " + place);
    const words = cutTo(said, THROWN_BYTES);
    const known = thrown[words];
    if (known !== undefined) known.times++;
    else if (thrownCount === THROWN_MAX) thrownMore++;
    else {
      thrown[words] = thrownOrder[thrownCount++] = {
        __proto__: null, who, words, times: 1, told: 0,
      };
    }
    return true;
  };
  const tellThrown = (one, all) => {
    if (lines >= limits.lines) return;
    const times = one.times === 1 ? "" : ", " + one.times + " times" + all;
    const text = "error in " + one.who + "()" + times + ": " + one.words;
    one.told = one.times;
    line('{"t":"log","error":true,"text":', ++lines, cutTo(text, limits.line_bytes));
  };
  const tellNewThrown = () => {
    for (let i = 0; i < thrownCount; i++) {
      if (thrownOrder[i].told === 0) tellThrown(thrownOrder[i], "");
    }
    emit('{"t":"threw","items":' + itemsFailed + ',"calls":' + callsFailed + "}");
  };
  // At the end of the script, whichever that is.
  const tellAllThrown = () => {
    if (itemsFailed === 0) return;
    for (let i = 0; i < thrownCount; i++) {
      const one = thrownOrder[i];
      if (one.told > 0 && one.told < one.times) tellThrown(one, " in all");
    }
    tellNewThrown();
    if (thrownMore === 0 || lines >= limits.lines) return;
    const text = "other errors in parallel() or pipeline() made " + thrownMore + " more items null";
    line('{"t":"log","error":true,"text":', ++lines, text);
  };

  // --- Many at once ------------------------------------------------------------------------------

  // begin(i) for each i; what threw is null; resolves when all are there.
  const gather = (who, length, begin, resolve) => {
    const results = apply(arrayFrom, Array, [{ __proto__: null, length }]);
    let left = length, threw = 0, noted = 0;
    const one = async (i) => {
      let value = null;
      try {
        value = await begin(i);
      } catch (error) {
        value = null;
        threw++;
        try {
          if (noteThrown(who, error)) noted++;
        } catch {
          // There is no memory for it: the script's next step says so.
        }
      }
      results[i] = value;
      if (--left > 0) return;
      if (noted > 0) {
        if (threw === length) callsFailed++;
        tellNewThrown();
      }
      resolve(results);
    };
    for (let i = 0; i < length; i++) one(i);
    if (length === 0) resolve(results);
  };

  const listed = (who, what, list) => {
    if (!isArray(list)) throw new TypeError(who + "(): " + what + " must be an array");
    if (list.length > limits.items) {
      const most = limits.items;
      throw new RangeError(who + "(): at most " + most + " items in one call, not " + list.length);
    }
  };
  const functions = (who, what, list) => {
    for (let i = 0; i < list.length; i++) {
      if (typeof list[i] === "function") continue;
      throw new TypeError(who + "(): " + what + " " + i + " is not a function");
    }
  };

  // Not async: what an async function returns is asked for its then(), which is the script's.
  function parallel(thunks) {
    const { promise, resolve, reject } = promised();
    try {
      listed("parallel", "the thunks", thunks);
      functions("parallel", "thunk", thunks);
      gather("parallel", thunks.length, (i) => {
        const thunk = thunks[i];
        return thunk();
      }, resolve);
    } catch (error) {
      reject(error);
    }
    return promise;
  }

  function pipeline(items, ...stages) {
    const { promise, resolve, reject } = promised();
    try {
      listed("pipeline", "the items", items);
      functions("pipeline", "stage", stages);
      gather("pipeline", items.length, async (i) => {
        const item = items[i];
        let value = item;
        for (let at = 0; at < stages.length; at++) {
          const stage = stages[at];
          value = await stage(value, item, i);
        }
        return value;
      }, resolve);
    } catch (error) {
      reject(error);
    }
    return promise;
  }

  // --- Lines -------------------------------------------------------------------------------------

  const say = (kind, text) => {
    if (++lines > limits.lines) {
      tooMany("too_many_lines", "over " + limits.lines + " lines of phase() and log()");
    }
    line(kind, lines, text);
  };
  // A forgotten await is the commonest mistake, and a run that did nothing looks well. Which calls
  // were settled follows from the journal, so a replay says the same under the same number.
  const tellUnanswered = () => {
    const left = made - settled - timersUnsettled;
    if (left === 0 || lines >= limits.lines) return;
    const calls = left === 1 ? "1 call" : left + " calls";
    const text = calls + " of agent() or workflow() had no answer when the script returned, and ";
    line('{"t":"log","text":', ++lines, text + "will have none: is an await missing?");
  };
  // Written before its answer is settled: a replay says the same under the same number.
  const tellCut = (who) => {
    if (lines >= limits.lines) return;
    const name = who.label === undefined ? "an agent" : "agent " + stringify(who.label);
    const text = "the answer of " + name + " was cut off at its longest length";
    line('{"t":"log","text":', ++lines, cutTo(text, limits.line_bytes));
  };
  const warnOnce = (text) => {
    const most = toldCount === WARNINGS_MAX || lines >= limits.lines;
    if (most || told[text] !== undefined) return;
    told[text] = true;
    toldCount++;
    line('{"t":"log","text":', ++lines, cutTo(text, limits.line_bytes));
  };
  const tellIgnored = (name) => {
    warnOnce("agent() has no option " + stringify(name) + ", and ignores it");
  };
  // "PLUGIN:NAME" of another host is found by its NAME.
  const tellFallback = (asked, found) => {
    if (asked === undefined || found === undefined || asked === found) return;
    const text = "there is no workflow " + stringify(asked) + "; " + stringify(found);
    warnOnce(text + " is used instead");
  };
  const log = (...values) => {
    const text = values.length === 1 && typeof values[0] === "string" ? values[0]
      : format(values, limits.line_bytes);
    say('{"t":"log","text":', cutTo(text, limits.line_bytes));
  };
  const phaseIn = (scope) => function phase(title) {
    if (typeof title === "symbol") throw new TypeError("phase(): a symbol has no text");
    scope.title = cutTo(String(title), limits.line_bytes);
    say('{"t":"phase","title":', scope.title);
  };
  const shownValue = (value) => {
    if (typeof value === "object" && value !== null) {
      try {
        const text = stringify(value);
        if (text !== undefined && text !== "{}") return text;
      } catch {
        // A value that JSON cannot hold is shown as String() has it.
      }
    }
    return String(value);
  };
  // Functions of the console that get values write a line of the log; groups and clocks do nothing.
  const quiet = () => {};
  const counts = { __proto__: null };
  const countedName = (label) => (label === undefined ? "default" : String(label));
  const console = {
    log, info: log, warn: log, error: log, debug: log, trace: log, table: log, group: log,
    dirxml: log, groupCollapsed: log, groupEnd: quiet, time: quiet, timeEnd: quiet, timeLog: quiet,
    dir: (value) => log(value),
    count(label) {
      const name = countedName(label);
      counts[name] = (counts[name] || 0) + 1;
      log(name + ": " + counts[name]);
    },
    countReset(label) { counts[countedName(label)] = 0; },
    assert: (good, ...values) => {
      if (!good) log("Assertion failed: " + format(values, limits.line_bytes));
    },
  };

  const budget = freeze({
    get total() { return total; },
    spent() { return spent; },
    remaining() { return total === null ? Infinity : max(0, total - spent); },
  });

  // --- A script, and the one within --------------------------------------------------------------

  // The names of timers are a script's own where there are any timers: one that has none must not
  // find those of the script that runs it.
  let anyTimers = false;
  const begin = (surface, source) => {
    anyTimers ||= surface.sleep !== undefined;
    const enter = compile(own(source, "script"), own(source, "file"), anyTimers);
    const { agent, parallel, pipeline, phase, args, budget, workflow, meta } = surface;
    const body =
      enter(agent, parallel, pipeline, phase, log, args, budget, workflow, console, meta,
        surface.setTimeout, surface.clearTimeout, surface.sleep, surface.setInterval);
    return own(source, "form") === "main" ? callMain(body, args) : body();
  };
  const callMain = async (body, args) => {
    const main = await body();
    return await main(args);
  };
  const frozen = (value) => {
    if (typeof value !== "object" || value === null) return value;
    const names = keys(value);
    for (let i = 0; i < names.length; i++) frozen(value[names[i]]);
    return freeze(value);
  };
  const scopeOf = (path, args, nested, source) => {
    const meta = frozen(own(source, "meta"));
    const objects = own(source, "results") === "object";
    const scope = { __proto__: null, path, args, nested, meta, objects, title: undefined };
    scope.agent = agentIn(scope);
    scope.workflow = workflowIn(scope);
    scope.phase = phaseIn(scope);
    scope.timers = own(source, "timers") === true
      ? { __proto__: null, setTimeout: setTimeoutIn(scope), clearTimeout, sleep: sleepIn(scope),
          setInterval }
      : undefined;
    return scope;
  };
  const surfaceOf = ({ agent, phase, args, workflow, meta, timers }) => ({
    __proto__: null, agent, parallel, pipeline, phase, log, args, budget, workflow, console, meta,
    ...timers,
  });
  // The first script's are global, too.
  const beginFirst = (surface, source) => {
    const names = keys(surface);
    for (let i = 0; i < names.length; i++) hide(globalObject, names[i], surface[names[i]]);
    return begin(surface, source);
  };
  const runChild = async (answer, who) => {
    try {
      const { path, args } = who.child;
      const scope = scopeOf(path, args === undefined ? undefined : parse(args), true, answer);
      const value = await begin(surfaceOf(scope), answer);
      who.resolve(who.objects ? success(value, NO_FACTS) : value);
    } catch (error) {
      if (who.objects) who.resolve(failure(describe(error).message, NO_FACTS));
      else who.reject(error);
    }
  };

  // --- Outcomes, one by one ----------------------------------------------------------------------

  const answerThrown = (who, answer) => {
    const place = who.place;
    if (who.child === undefined) apply(addTo, answered, [place]);
    const kind = ERRORS[answer.name];
    if (kind !== undefined && kind !== Error) setPrototypeOf(place, kind.prototype);
    hide(place, "message", answer.message);
    if (kind === undefined && answer.name !== undefined) hide(place, "name", answer.name);
    return place;
  };

  const settle = (who, answer) => {
    settled++;
    if (answer.spent !== undefined) spent = answer.spent;
    if (answer.cut === true) tellCut(who);
    if (answer.o === "value") who.resolve(who.objects ? success(answer.v, answer) : answer.v);
    else if (answer.o === "null") who.resolve(who.objects ? failure(answer.why, answer) : null);
    else if (answer.o === "throw") {
      if (who.objects) who.resolve(failure(answer.message, answer));
      else who.reject(answerThrown(who, answer));
    }
    else if (answer.o === "script") {
      const meta = own(answer, "meta"); // Absent: the file says nothing of itself.
      if (meta !== undefined) tellFallback(who.child.name, own(meta, "name"));
      runChild(answer, who);
    } else leave(NONSENSE);
  };

  const settleRecorded = () => {
    const answer = history[repeated];
    const who = waiting[repeated];
    repeated++;
    if (who === undefined) {
      const message = "the script did not make call " + repeated + " of its history again";
      fail("replay_diverged", "Error", message, "");
    }
    delete waiting[repeated - 1];
    settle(who, answer);
  };

  const settleTaken = () => {
    // A member that is missing is then undefined, whatever a script did to all objects.
    const answer = setPrototypeOf(inbox[taken++], null);
    if (answer.t === "stop") leave(STOPPED);
    if (described) {
      settled++;
      flow.take(answer);
      return;
    }
    const who = open[answer.id];
    if (answer.t !== "settle" || who === undefined) leave(NONSENSE);
    delete open[answer.id];
    settle(who, answer);
  };

  const begun = (order) => {
    const given = setPrototypeOf(order.limits ?? {}, null);
    limits = {
      __proto__: null,
      agents: given.agents ?? 1000, items: given.items ?? 4096, lines: given.lines ?? 10000,
      line_bytes: given.line_bytes ?? 4096, unanswered: given.unanswered ?? 8192,
      timers: given.timers ?? 10000, timers_open: given.timers_open ?? 1000,
      timer_ms: given.timer_ms ?? 2592000000,
    };
    total = order.total ?? null;
    spent = order.spent ?? 0;
    history = order.history ?? [];
    for (let i = 0; i < history.length; i++) {
      const answer = setPrototypeOf(history[i], null);
      recorded[answer.k + answer.n] = i;
    }
    // As integers: it reads no other numbers.
    limit(given.cpu_ms | 0, given.memory_mb | 0, order.again === true);
  };

  return {
    __proto__: null,

    // The promise of the whole run; undefined, where it was said to a script that was here before.
    // Throws what the script's text is wrong about.
    start(messages, others) {
      const order = setPrototypeOf(messages[0], null);
      if (others && order.t !== "start") return undefined;
      if (messages.length !== 1) leave(NONSENSE);
      if (order.t === "check") {
        // It is read, and nothing of it runs.
        limit(CHECK_MS, CHECK_MB);
        compile(own(order, "script"), own(order, "file"));
        end("");
      }
      if (order.t !== "start" && order.t !== "flow") leave(NONSENSE);
      begun(order);
      if (order.t === "flow") {
        flow = makeFlow(native, {
          __proto__: null, answerThrown, bytesWithin, cutTo, describe, frozen, hide, isRecord,
          warnOnce,
        });
        flow.begin(order);
        return beginFirst({ __proto__: null, ...flow.surface, log, console }, order);
      }
      return beginFirst(surfaceOf(scopeOf("", order.args, false, order)), order);
    },

    // More from the host.
    take(messages) {
      if (!isArray(messages)) leave(NONSENSE);
      inbox = messages;
      taken = 0;
    },

    // The script waits. True: something was settled; false: it is the host's turn.
    next() {
      if (repeated < history.length) settleRecorded();
      else if (taken < inbox.length) settleTaken();
      else {
        inbox = [];
        taken = 0;
        if (described) flow.settle();
        else if (made === settled) {
          const message = "the script waits for what cannot come: no call is under way";
          fail("never_settles", "Error", message, "");
        }
        emit('{"t":"quiet","settled":' + settled + "}");
        return false;
      }
      return true;
    },

    // Where an error was thrown; of none: what runs right now.
    where: (error) => stackOf(error ?? new Error()),

    // The run fulfilled. True: it is a flow, of which functions are evaluated from here on.
    done(result) {
      if (flow !== undefined) {
        flow.describe(result);
        described = true;
        return true;
      }
      let text;
      try {
        text = stringify(result);
      } catch (error) {
        const why = describe(error).message;
        fail("result_not_json", "TypeError", "the result cannot be written as JSON: " + why, "");
      }
      tellAllThrown();
      tellUnanswered();
      end(text === undefined ? "" : text);
    },

    // Something was thrown, and nobody caught it.
    failed(code, error) {
      const about = describe(error);
      try {
        tellAllThrown();
      } catch {
        // There is no memory for it.
      }
      // A text that is nested too deeply is wrong, too. Which of the two the engine throws then
      // depends on how deep its stack was.
      const unread = about.name === "SyntaxError" || about.name === "RangeError";
      if (code === "syntax_error" && !unread) code = "script_error";
      const memory = about.name === "InternalError" && about.message === "out of memory";
      fail(memory ? "memory_exceeded" : code, about.name, about.message, about.stack);
    },
  };

  // Whatever was thrown, in words. Getters of the script's may run here, and throw again.
  function describe(error) {
    const about = { __proto__: null, name: "Error", message: "", stack: "" };
    try {
      const message = typeof error === "object" && error !== null ? error.message : undefined;
      about.message = message === undefined ? "thrown: " + shownValue(error) : String(message);
      if (message === undefined) return about;
      about.name = String(error.name ?? "Error");
      about.stack = stackOf(error);
    } catch {
      about.message ||= "thrown: an object that does not tell what it is";
    }
    return about;
  }
})
