// format.js: what log() and console.log() write, as console.log() of Node does: texts as they are,
// other values as util.inspect() shows them, and the signs of util.format() in a first text.
//
// It runs in the world of scripts, under the rules of prelude.js: nothing here calls a method that
// a script may have replaced, and lists have no prototype. A getter or a trap of a script's may run
// all the same, and throw.
//
// Unlike Node: an error is its first line, without the stack; a promise never says its state; and
// once a line is full, the rest of a value is left out.
(function () {
  "use strict";
  const { Array, BigInt, Date, Error, Function, Map, Number, Object, RegExp, Set } = globalThis;
  const { Promise, String, Symbol, WeakMap, WeakSet, parseFloat, parseInt } = globalThis;
  const { isArray } = Array;
  const { stringify } = JSON;
  const { apply, ownKeys, getOwnPropertyDescriptor, getPrototypeOf } = Reflect;
  const { setPrototypeOf, is } = Object;
  const { floor, max, min, round, sqrt } = Math;
  const { charCodeAt, slice, indexOf } = String.prototype;
  const { toISOString, getTime } = Date.prototype;
  const { forEach: eachOfMap } = Map.prototype;
  const { forEach: eachOfSet } = Set.prototype;
  const { toString: functionText } = Function.prototype;
  const { toString: patternText } = RegExp.prototype;
  const { toString: symbolText } = Symbol.prototype;
  const { toString: numberText } = Number.prototype;
  const { toString: bigText } = BigInt.prototype;
  const { toStringTag } = Symbol;
  const getter = (object, name) => getOwnPropertyDescriptor(object, name).get;
  const mapSize = getter(Map.prototype, "size"), setSize = getter(Set.prototype, "size");
  const typedArray = getPrototypeOf(Uint8Array.prototype);
  const typedTag = getter(typedArray, toStringTag), typedLength = getter(typedArray, "length");
  // Of values whose toString() is one of these, "%s" shows more than that would tell.
  const ownTexts = setPrototypeOf([Object.prototype.toString, Array.prototype.toString,
    Error.prototype.toString, Date.prototype.toString, patternText, functionText], null);
  const plainAbove = Object.prototype;

  const WIDTH = 80, WIDTH_SHORT = 16, DEPTH = 2, TOGETHER = 3; // breakLength, compact of Node's
  const LISTED_MAX = 100, COLUMNS_MAX = 15, MEMBERS_OF_MAX = 10000;

  const newList = () => setPrototypeOf([], null);
  const add = (list, value) => {
    list[list.length] = value;
  };
  const join = (list, between) => {
    let text = "";
    for (let i = 0; i < list.length; i++) text += (i > 0 ? between : "") + list[i];
    return text;
  };
  const has = (text, part) => apply(indexOf, text, [part]) >= 0;
  const spaces = (count) => {
    let text = "";
    while (text.length < count) text += " ";
    return text;
  };
  // A member, which may be one of all objects; undefined if its getter throws.
  const read = (object, name) => {
    try {
      return object[name];
    } catch {
      return undefined;
    }
  };
  // A member that a script gave to all objects is not shown.
  const described = (object, name) => {
    const about = getOwnPropertyDescriptor(object, name);
    return about === undefined ? undefined : setPrototypeOf(about, null);
  };
  // The result of a method on a value that it is no method of is undefined.
  const tried = (method, value) => {
    try {
      return apply(method, value, []);
    } catch {
      return undefined;
    }
  };

  // --- Texts -------------------------------------------------------------------------------------

  const ESCAPES = {
    __proto__: null, 8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 92: "\\\\",
  };
  const HEX = "0123456789ABCDEF";
  const escaped = (text, at, mark) => {
    const code = apply(charCodeAt, text, [at]);
    if (ESCAPES[code] !== undefined) return ESCAPES[code];
    if (text[at] === mark) return "\\" + mark;
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
      return "\\x" + HEX[code >> 4] + HEX[code & 15];
    }
    return text[at];
  };
  const quoted = (text) => {
    const mark = !has(text, "'") ? "'" : !has(text, '"') ? '"'
      : !has(text, "`") && !has(text, "${") ? "`" : "'";
    let out = mark;
    for (let i = 0; i < text.length; i++) out += escaped(text, i, mark);
    return out + mark;
  };
  const isName = (text) => {
    for (let i = 0; i < text.length; i++) {
      const c = text[i];
      const letter = (c >= "a" && c <= "z") || (c >= "A" && c <= "Z") || c === "_";
      if (!letter && !(i > 0 && c >= "0" && c <= "9")) return false;
    }
    return text !== "";
  };
  const numberIn = (value) => (is(value, -0) ? "-0" : apply(numberText, value, []));

  // A long text of several lines is shown line by line.
  const showText = (showing, text) => {
    if (text.length > showing.left) text = apply(slice, text, [0, max(showing.left, 0)]);
    const lines = newList();
    const room = WIDTH - showing.indent - 4;
    let from = 0;
    for (let i = 0; i < text.length - 1 && text.length > WIDTH_SHORT && text.length > room; i++) {
      if (text[i] === "\n") {
        add(lines, quoted(apply(slice, text, [from, i + 1])));
        from = i + 1;
      }
    }
    add(lines, quoted(apply(slice, text, [from])));
    return join(lines, " +\n" + spaces(showing.indent + 2));
  };

  const showPrimitive = (showing, value) => {
    switch (typeof value) {
      case "string": return showText(showing, value);
      case "number": return numberIn(value);
      case "bigint": return apply(bigText, value, []) + "n";
      case "symbol": return apply(symbolText, value, []);
      default: return value === null ? "null" : String(value); // undefined, true, false
    }
  };

  // --- What an object is -------------------------------------------------------------------------

  const ownName = (made) => {
    const name = described(made, "name")?.value;
    return typeof name === "string" ? name : "";
  };
  // The name of its constructor; null: it has none.
  const constructorOf = (value) => {
    for (let at = value; at !== null; at = getPrototypeOf(at)) {
      const about = described(at, "constructor");
      const name = typeof about?.value === "function" ? ownName(about.value) : "";
      if (name !== "") return name;
    }
    return null;
  };
  // The words before the braces: "Foo ", "Foo(2) [tag] ", "[Object: null prototype] ".
  const prefixOf = (name, tag, otherwise, size) => {
    const much = size === undefined ? "" : "(" + size + ")";
    const kind = name === null ? "[" + otherwise + much + ": null prototype] " : name + much + " ";
    return tag === "" || tag === name ? kind : kind + "[" + tag + "] ";
  };
  const tagOf = (value) => {
    const tag = read(value, toStringTag);
    const member = described(value, toStringTag)?.enumerable === true;
    return typeof tag === "string" && !member ? tag : "";
  };

  const showFunction = (value, name, tag) => {
    const called = ownName(value), source = apply(functionText, value, []);
    if (apply(slice, source, [0, 5]) === "class" && source[source.length - 1] === "}") {
      const above = getPrototypeOf(value);
      const base = typeof above === "function" ? ownName(above) : "";
      return "[class " + (called === "" ? "(anonymous)" : called) +
        (base === "" ? "" : " extends " + base) + "]";
    }
    return "[" + (name ?? "Function") + (called === "" ? " (anonymous)" : ": " + called) +
      (name === null ? " (null prototype)" : "") + "]" +
      (tag === "" || tag === name ? "" : " [" + tag + "]");
  };

  const showError = (value) => {
    const name = read(value, "name"), message = read(value, "message");
    const called = typeof name === "string" ? name : "Error";
    return typeof message === "string" && message !== "" ? called + ": " + message : called;
  };

  // How a value is shown: `base` stands alone where there are no members; `list` adds what is no
  // member, `size` such; `skips`: keys that are indices are no members.
  const kindOf = (value, name, tag) => {
    const about = {
      __proto__: null, base: "", open: "{", close: "}", skips: false, list: undefined, size: 0,
    };
    const above = getPrototypeOf(value);
    if (isArray(value)) {
      const prefix = name === "Array" && tag === ""
        ? "" : prefixOf(name, tag, "Array", value.length);
      listed(about, "[", listArray, prefix, value.length);
    } else if (typeof value === "function") about.base = showFunction(value, name, tag);
    else if (above === null || above === plainAbove) {
      if (name !== "Object" || tag !== "") about.open = prefixOf(name, tag, "Object") + "{";
    } else kindOfBuiltIn(about, value, name, tag);
    return about;
  };
  const listed = (about, open, list, prefix, size) => {
    about.open = prefix + open;
    about.close = open === "[" ? "]" : "}";
    about.skips = open === "[";
    about.list = list;
    about.size = size;
  };
  const kindOfBuiltIn = (about, value, name, tag) => {
    const typed = apply(typedTag, value, []), time = tried(getTime, value);
    const setHas = tried(setSize, value), mapHas = tried(mapSize, value);
    if (typed !== undefined) {
      const size = apply(typedLength, value, []);
      listed(about, "[", listArray, prefixOf(name, typed, typed, size), size);
    } else if (setHas !== undefined) {
      listed(about, "{", listSet, prefixOf(name, tag, "Set", setHas), setHas);
    } else if (mapHas !== undefined) {
      listed(about, "{", listMap, prefixOf(name, tag, "Map", mapHas), mapHas);
    } else if (time !== undefined) {
      about.base = time === time ? apply(toISOString, value, []) : "Invalid Date";
    } else if (value instanceof RegExp) about.base = tried(patternText, value) ?? "[RegExp]";
    else if (value instanceof Error) about.base = showError(value);
    else if (value instanceof Promise) {
      listed(about, "{", listNothing("<pending>"), prefixOf(name, tag, "Promise"), 1);
    } else if (value instanceof WeakMap || value instanceof WeakSet) {
      listed(about, "{", listNothing("<items unknown>"), prefixOf(name, tag, "WeakSet"), 1);
    } else if (name !== "Object" || tag !== "") about.open = prefixOf(name, tag, "Object") + "{";
  };

  // --- Members -----------------------------------------------------------------------------------

  const shownWithin = (showing, value, depth) => {
    showing.indent += 2;
    const text = show(showing, value, depth + 1);
    showing.indent -= 2;
    return text;
  };

  const isFull = (showing, out) => showing.left <= 0 || out.length > showing.most;
  const more = (out, count) => {
    if (count > 0) add(out, "... " + count + " more item" + (count > 1 ? "s" : ""));
  };

  // The first element of a list from `at` on, whose holes may be many.
  const elementFrom = (list, at) => {
    const keys = ownKeys(list);
    for (let i = 0; i < keys.length && typeof keys[i] === "string"; i++) {
      if (isIndex(keys[i]) && +keys[i] >= at) return +keys[i];
    }
    return list.length;
  };
  const listArray = (showing, list, out, depth, length) => {
    let at = 0;
    while (at < length && out.length < LISTED_MAX && !isFull(showing, out)) {
      const next = described(list, at) === undefined ? elementFrom(list, at) : at;
      const holes = next - at;
      if (holes > 0) add(out, "<" + holes + " empty item" + (holes > 1 ? "s" : "") + ">");
      else add(out, shownWithin(showing, list[at], depth));
      at = holes > 0 ? next : at + 1;
    }
    more(out, length - at);
  };
  const listSet = (showing, set, out, depth) => {
    let count = 0;
    apply(eachOfSet, set, [(value) => {
      if (count++ >= LISTED_MAX || isFull(showing, out)) return;
      add(out, shownWithin(showing, value, depth));
    }]);
    more(out, count - LISTED_MAX);
  };
  const listMap = (showing, map, out, depth) => {
    let count = 0;
    apply(eachOfMap, map, [(value, key) => {
      if (count++ >= LISTED_MAX || isFull(showing, out)) return;
      add(out, shownWithin(showing, key, depth) + " => " + shownWithin(showing, value, depth));
    }]);
    more(out, count - LISTED_MAX);
  };

  const listNothing = (words) => (showing, value, out) => add(out, words);

  const isIndex = (key) => key[0] >= "0" && key[0] <= "9";
  // Members of a long list have no room after its elements, and each element is a key.
  const memberKeys = (value, about) => {
    const found = newList();
    if (about.skips && about.size > MEMBERS_OF_MAX) return found;
    const keys = ownKeys(value);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      if (about.skips && typeof key === "string" && isIndex(key)) continue;
      if (described(value, key)?.enumerable === true) add(found, key);
    }
    return found;
  };
  const showKey = (key) => {
    if (typeof key === "symbol") return "[" + apply(symbolText, key, []) + "]";
    return key === "__proto__" ? "['__proto__']" : isName(key) ? key : quoted(key);
  };
  const showMember = (showing, value, key, depth) => {
    const about = described(value, key);
    if (about === undefined) return showKey(key) + ": undefined";
    if (about.get === undefined && about.set === undefined) {
      return showKey(key) + ": " + shownWithin(showing, about.value, depth);
    }
    const kind = about.get === undefined ? "[Setter]"
      : about.set === undefined ? "[Getter]" : "[Getter/Setter]";
    return showKey(key) + ": " + kind;
  };
  // --- Lines -------------------------------------------------------------------------------------

  // Elements of a longer list in columns, several in a line.
  const inColumns = (showing, out, list) => {
    const listed = out.length > LISTED_MAX ? out.length - 1 : out.length;
    let total = 0, widest = 0;
    for (let i = 0; i < listed; i++) {
      total += out[i].length + 2;
      widest = max(widest, out[i].length);
    }
    const cell = widest + 2;
    if (cell * 3 + showing.indent >= WIDTH || !(total / cell > 5 || widest <= 6)) return out;
    const biased = max(cell - 3 - sqrt(cell - total / out.length), 1);
    const columns = min(round(sqrt(2.5 * biased * listed) / biased),
      floor((WIDTH - showing.indent) / cell), TOGETHER * 4, COLUMNS_MAX);
    if (columns <= 1) return out;
    const widths = newList();
    for (let i = 0; i < columns; i++) {
      let width = 0;
      for (let j = i; j < listed; j += columns) width = max(width, out[j].length);
      add(widths, width + 2);
    }
    let numbers = true;
    for (let i = 0; i < out.length && numbers; i++) {
      numbers = typeof list[i] === "number" || typeof list[i] === "bigint";
    }
    const rows = newList();
    for (let i = 0; i < listed; i += columns) {
      const end = min(i + columns, listed);
      let row = "";
      for (let j = i; j < end; j++) {
        const text = j < end - 1 ? out[j] + ", " : out[j];
        const width = j < end - 1 ? widths[j - i] : widths[j - i] - 2;
        const blank = spaces(width - text.length);
        row += numbers ? blank + text : j < end - 1 ? text + blank : text;
      }
      add(rows, row);
    }
    if (listed < out.length) add(rows, out[listed]);
    return rows;
  };

  const fits = (showing, out, base, open) => {
    let length = out.length + showing.indent + open.length + base.length + 10 + out.length;
    for (let i = 0; i < out.length && length <= WIDTH; i++) {
      length += out[i].length;
      if (has(out[i], "\n")) return false;
    }
    return length <= WIDTH && !has(base, "\n");
  };

  const arranged = (showing, about, out, depth, list) => {
    const before = about.base === "" ? "" : about.base + " ";
    const rows = list !== undefined && out.length > 6 ? inColumns(showing, out, list) : out;
    if (showing.depth - depth < TOGETHER && rows === out &&
        fits(showing, out, about.base, about.open)) {
      return before + about.open + " " + join(out, ", ") + " " + about.close;
    }
    const line = "\n" + spaces(showing.indent);
    return before + about.open + line + "  " + join(rows, "," + line + "  ") + line + about.close;
  };

  // --- Values ------------------------------------------------------------------------------------

  const isObject = (value) =>
    (typeof value === "object" && value !== null) || typeof value === "function";

  const show = (showing, value, depth) => {
    if (!isObject(value)) {
      const text = showPrimitive(showing, value);
      showing.left -= text.length;
      return text;
    }
    for (let i = 0; i < showing.around.length; i++) {
      if (showing.around[i] !== value) continue;
      let index = 0;
      while (index < showing.circular.length && showing.circular[index] !== value) index++;
      if (index === showing.circular.length) add(showing.circular, value);
      return "[Circular *" + (index + 1) + "]";
    }
    return showObject(showing, value, depth);
  };

  const showObject = (showing, value, depth) => {
    const name = constructorOf(value), tag = tagOf(value);
    const about = kindOf(value, name, tag);
    const keys = memberKeys(value, about);
    showing.left -= 4;
    if (keys.length === 0 && about.size === 0) {
      return about.base !== "" ? about.base : about.open + about.close;
    }
    if (depth > showing.most_depth) {
      const kind = prefixOf(name, tag === name ? "" : tag, isArray(value) ? "Array" : "Object");
      const brief = apply(slice, kind, [0, kind.length - 1]);
      return name === null ? brief : "[" + brief + "]";
    }
    const out = newList(), around = showing.around;
    add(around, value);
    showing.depth = depth;
    if (about.list !== undefined) about.list(showing, value, out, depth, about.size);
    for (let i = 0; i < keys.length && !isFull(showing, out); i++) {
      add(out, showMember(showing, value, keys[i], depth));
    }
    around.length--;
    for (let i = 0; i < showing.circular.length; i++) {
      if (showing.circular[i] !== value) continue;
      const mark = "<ref *" + (i + 1) + ">";
      about.base = about.base === "" ? mark : mark + " " + about.base;
    }
    return arranged(showing, about, out, depth, about.skips ? value : undefined);
  };

  const shown = (value, most, most_depth) => show({
    __proto__: null, left: 2 * most, most, most_depth, indent: 0, depth: 0,
    around: newList(), circular: newList(),
  }, value, 0);

  // --- Signs -------------------------------------------------------------------------------------

  const asText = (value, most) => {
    if (typeof value === "number") return numberIn(value);
    if (typeof value === "bigint") return apply(bigText, value, []) + "n";
    if (typeof value !== "object" || value === null) return String(value);
    const own = read(value, "toString");
    for (let i = 0; i < ownTexts.length; i++) {
      if (ownTexts[i] === own) return shown(value, most, 0);
    }
    return typeof own === "function" ? String(value) : shown(value, most, 0);
  };
  const asNumber = (value, parse) => {
    if (typeof value === "bigint") return apply(bigText, value, []) + "n";
    return typeof value === "symbol" ? "NaN" : numberIn(parse(value));
  };
  const asJson = (value) => {
    try {
      return String(stringify(value));
    } catch (error) {
      if (isObject(error) && error instanceof TypeError) return "[Circular]";
      throw error;
    }
  };
  const SIGNS = {
    __proto__: null,
    s: asText,
    d: (value) => asNumber(value, Number),
    i: (value) => asNumber(value, parseInt),
    f: (value) => (typeof value === "symbol" ? "NaN" : numberIn(parseFloat(value))),
    j: asJson,
    o: (value, most) => shown(value, most, 4),
    O: (value, most) => shown(value, most, DEPTH),
    c: () => "",
  };

  // The texts of `values`, with blanks between; what is beyond `most` characters may be missing.
  return (values, most) => {
    const first = values[0];
    let text = "", at = 0;
    if (typeof first === "string") {
      at = 1;
      let from = 0;
      for (let i = 0; i < first.length - 1 && values.length > 1 && text.length <= most; i++) {
        const sign = first[i] === "%" ? SIGNS[first[i + 1]] : undefined;
        const percent = first[i] === "%" && first[i + 1] === "%";
        if (!percent && (sign === undefined || at === values.length)) continue;
        text += apply(slice, first, [from, i]) + (percent ? "%" : sign(values[at++], most));
        from = ++i + 1;
      }
      text += apply(slice, first, [from]);
    }
    for (let i = at; i < values.length && text.length <= most; i++) {
      text += i > 0 ? " " : "";
      text += typeof values[i] === "string" ? values[i] : shown(values[i], most, DEPTH);
    }
    return text;
  };
})();
