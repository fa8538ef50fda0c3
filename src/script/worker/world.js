// world.js: a world without time, chance and code from text. Runs before prelude.js, and before any
// script: what a run that is resumed could see otherwise is replaced here, or gone.
(function () {
  "use strict";
  const TrueDate = Date;
  const { construct } = Reflect;
  const { defineProperty, getPrototypeOf } = Object;

  const put = (object, name, value, open) => {
    const shape = { value, writable: open, enumerable: false, configurable: open };
    defineProperty(object, name, { __proto__: null, ...shape });
  };
  const hide = (object, name, value) => put(object, name, value, true);
  const pin = (object, name, value) => put(object, name, value, false);
  // A function that has this name, as error texts and stacks tell it.
  const named = (name, body) => (put(body, "name", name, true), body);

  // --- Time and chance ---------------------------------------------------------------------------

  const AGAIN = "a run that is resumed would see another value";
  const WITH_TIME = `is not available: ${AGAIN}; pass the time in args`;
  const Dates = named("Date", function (...values) {
    if (!new.target) throw new Error(`Date() ${WITH_TIME}`);
    if (values.length === 0) throw new Error(`new Date() ${WITH_TIME}`);
    return construct(TrueDate, values, new.target);
  });
  hide(Dates, "UTC", TrueDate.UTC);
  hide(Dates, "parse", TrueDate.parse);
  hide(Dates, "now", named("now", () => {
    throw new Error(`Date.now() ${WITH_TIME}`);
  }));
  hide(Dates, "length", TrueDate.length);
  pin(Dates, "prototype", TrueDate.prototype);
  hide(TrueDate.prototype, "constructor", Dates);
  hide(globalThis, "Date", Dates);
  hide(Math, "random", named("random", () => {
    throw new Error(`Math.random() is not available: ${AGAIN}; vary by index instead`);
  }));

  // --- Code from text ----------------------------------------------------------------------------

  // It would have no place in the user's file. What compiles it cannot be reached from here on:
  // each of the four kinds of function leads to its constructor.
  const withoutCode = (name) => named(name, function () {
    throw new EvalError(`${name}() is not available: code comes from the script's file alone`);
  });
  const replaceConstructor = (name, kind) => {
    const Refusing = withoutCode(name);
    const prototype = getPrototypeOf(kind);
    pin(Refusing, "prototype", prototype);
    hide(prototype, "constructor", Refusing);
    return Refusing;
  };
  hide(globalThis, "Function", replaceConstructor("Function", function () {}));
  replaceConstructor("AsyncFunction", async function () {});
  replaceConstructor("GeneratorFunction", function* () {});
  replaceConstructor("AsyncGeneratorFunction", async function* () {});
  hide(globalThis, "eval", withoutCode("eval"));

  // --- What is not there -------------------------------------------------------------------------

  for (const name of [
    "performance", "WeakRef", "FinalizationRegistry", "SharedArrayBuffer", "Atomics",
    "WebAssembly", "print", "gc",
  ]) {
    delete globalThis[name];
  }

  // Where something was thrown is told by the engine, in its own words. What a script sets here for
  // the sake of another engine is let go by.
  pin(Error, "prepareStackTrace", undefined);
  const { stackTraceLimit } = Error;
  const limit = { __proto__: null, get: () => stackTraceLimit, set() {}, configurable: false };
  defineProperty(Error, "stackTraceLimit", limit);
})();
