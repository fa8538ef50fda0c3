// language.mjs: what scripts may use of the language, in snippets. Each is the body of an async
// function in strict mode; what it returns, or the name of what it throws, is the same everywhere.

const S = String.raw;

export const basics = {
  "let and const in blocks": S`let a = 1; { let a = 2; } const b = a; return [a, b];`,
  "a binding before its declaration": S`try { x; } catch (e) { return e.name; } let x = 1;`,
  "assignment to a constant": S`const a = 1; try { a = 2; } catch (e) { return e.name; }`,
  "closures in loops": S`const f = []; for (let i = 0; i < 3; i++) f.push(() => i);
    return f.map((g) => g());`,
  "var is of the function": S`{ var a = 1; } return typeof a;`,
  "hoisted functions": S`return f(); function f() { return 7; }`,
  "functions in blocks": S`{ function f() { return 1; } } return typeof f;`,
  "labelled blocks": S`let n = 0; a: { n++; if (n) break a; n = 9; } return n;`,
  "labelled loops": S`const r = []; a: for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) {
    if (j === 1) continue a; if (i === 2) break a; r.push([i, j]); } return r;`,
  "switch falls through": S`const r = []; switch (2) { case 1: r.push(1); case 2: r.push(2);
    case 3: r.push(3); break; default: r.push(4); } return r;`,
  "switch with a default in front": S`switch (9) { default: return "d"; case 1: return 1; }`,
  "do while": S`let i = 0; do i++; while (i < 5) return i;`,
  "comma": S`let a = (1, 2, 3); for (var i = 0, j = 9; i < j; i++, j--); return [a, i, j];`,
  "optional catch binding": S`try { throw 1; } catch { return "caught"; }`,
  "finally overrides": S`const f = () => { try { return 1; } finally { return 2; } }; return f();`,
  "finally in order": S`const r = []; try { try { throw 1; } finally { r.push("a"); } } catch (e) {
    r.push(e); }
    return r;`,
  "typeof of everything": S`return [undefined, null, 1, "s", true, 1n, Symbol(), {},
    () => 1].map((v) => typeof v);`,
  "equality": S`return [null == undefined, null == 0, "1" == 1, NaN === NaN, Object.is(-0, 0),
    [1] == 1];`,
  "arithmetic": S`return [7 % 3, -7 % 3, 2 ** 10, 7 / 2 | 0, -7 >>> 28, 1 << 31, ~5, 0.1 + 0.2];`,
  "unary plus": S`return [+"12", +"0x1f", +"", +" 3 ", +[], +[5]].concat(Number.isNaN(+"z"));`,
  "logical assignment": S`let a = null, b = 1, c = 0; a ??= 5; b &&= 6; c ||= 7; return [a, b, c];`,
  "nullish": S`return [null ?? 1, 0 ?? 1, "" || 2, false ?? 3];`,
  "optional chains": S`const o = { a: { f() { return this.b; }, b: 3 } };
    return [o?.a?.f(), o.x?.y.z.w, o.x?.(), o?.["a"].b, delete o?.q];`,
  "exponent by assignment": S`let a = 3; a **= 3; return a;`,
  "numeric separators": S`return [1_000_000, 0b1010, 0o17, 0xff, .5e3];`,
  "void and in": S`return [void 0 === undefined, "a" in { a: 1 }, 0 in [1]];`,
  "instanceof and its symbol": S`class E { static [Symbol.hasInstance](v) { return v === 1; } }
    return [1 instanceof E, [] instanceof Array];`,
  "this in functions": S`function f() { return this; } return [f() === undefined,
    f.call(1) === 1];`,
  "arguments": S`function f() { return [arguments.length, [...arguments]]; } return f(1, 2, 3);`,
  "default parameters see each other": S`const f = (a, b = a + 1, c = () => a + b) => c();
    return f(1);`,
  "rest and spread": S`const f = (a, ...r) => [a, r]; return [f(...[1, 2], ...new Set([3, 4])),
    Math.max(...[3, 9])];`,
  "function names and lengths": S`const f = () => 1, o = { m() {}, ["c" + 1]: function () {} };
    return [f.name, o.m.name, o.c1.name, ((a, b = 1, c) => 1).length];`,
  "strict mode": S`try { undeclared = 1; } catch (e) { return e.name; }`,
  "frozen objects throw": S`const o = Object.freeze({ a: 1 }); try { o.a = 2; } catch (e) {
    return [e.name, o.a]; }`,
  "deleting what stays": S`try { delete Object.freeze([1])[0]; } catch (e) { return e.name; }`,
  "an error's cause": S`const e = new Error("m", { cause: 5 }); return [e.cause, e.message,
    e instanceof Error, String(e)];`,
  "aggregate errors": S`const e = new AggregateError([1, 2], "m"); return [e.errors, e.name];`,
  "errors of subclasses": S`class Mine extends TypeError { constructor(m) { super(m);
    this.name = "Mine"; } }
    try { throw new Mine("x"); } catch (e) { return [String(e), e instanceof TypeError]; }`,
  "new.target": S`function F() { return new.target === F; } return [F(), typeof new F()];`,
  "immediately invoked": S`return (function () { return (() => ((a) => a + 1)(1))(); })();`,
  "automatic semicolons": "let a = 1\nlet b = a\n++b\nreturn [a, b]",
  "comments everywhere": "return /* a */ 1 // b\n + /* c\n d */ 2",
  "unicode names": S`const größe = 1, $ = 2, _ = 3, \u0061b = 4; return [größe, $, _, ab];`,
};

export const patterns = {
  "object patterns": S`const { a, b: { c = 5, ...d }, ...e } = { a: 1, b: { x: 2 }, y: 3 };
    return [a, c, d, e];`,
  "array patterns": S`const [a, , b = 3, ...c] = [1, 2, undefined, 4, 5]; return [a, b, c];`,
  "swapping": S`let a = 1, b = 2; [a, b] = [b, a]; return [a, b];`,
  "patterns as parameters": S`const f = ({ a, b = 2 } = {}, [c] = [3]) => [a, b, c]; return [f(),
    f({ a: 1 }, [9])];`,
  "computed keys in patterns": S`const k = "z"; const { [k]: v, [k + 1]: w = 4 } = { z: 3 };
    return [v, w];`,
  "patterns of strings": S`const [a, b] = "äü"; const { length } = "four"; return [a, b, length];`,
  "patterns in for of": S`const r = []; for (const [k, { v }] of Object.entries({ a: {
    v: 1 } })) r.push(k, v); return r;`,
  "patterns into members": S`const o = {}; [o.a, o["b"]] = [1, 2]; ({ x: o.c } = { x: 3 });
    return o;`,
  "null has no members": S`try { const { a } = null; } catch (e) { return e.name; }`,
  "patterns call getters once": S`let n = 0; const { a } = { get a() { return ++n; } }; return [a,
    n];`,
  "spread of objects": S`return { ...{ a: 1, b: 2 }, b: 3, ...null, ...[9] };`,
  "getters and setters": S`const o = { v: 1, get a() { return this.v; }, set a(x) { this.v = x * 2;
    } }; o.a = 4; return o.a;`,
  "short methods": S`const k = "m"; const o = { a() { return 1; }, [k + 2]() { return 2; },
    async b() {}, *c() {} };
    return [o.a(), o.m2(), typeof o.b, o.c().next()];`,
  "super in objects": S`const p = { hi() { return "p"; } }; const o = { __proto__: p, hi() {
    return super.hi() + "o"; } };
    return o.hi();`,
  "order of keys": S`return Object.keys({ b: 1, 2: 1, a: 1, 1: 1, [Symbol()]: 1 });`,
  "defineProperty": S`const o = Object.defineProperty({}, "a", { value: 1 }); try { o.a = 2;
    } catch (e) { return [e.name, Object.keys(o)]; }`,
  "entries and back": S`return Object.fromEntries(Object.entries({ a: 1, b: 2 }).map(([k,
    v]) => [k.toUpperCase(), v * 2]));`,
  "property descriptors": S`return Object.getOwnPropertyDescriptors({ get a() { return 1; },
    b: 2 }).b;`,
  "hasOwn": S`return [Object.hasOwn({ a: 1 }, "a"), Object.hasOwn({}, "toString")];`,
  "proxies": S`const log = []; const p = new Proxy({}, { get: (t, k) => (log.push(String(k)), k),
    has: () => true,
    ownKeys: () => ["q"], getOwnPropertyDescriptor: () => ({ value: 1, enumerable: true,
      configurable: true }) });
    return [p.a, "z" in p, Object.keys(p), log];`,
  "Reflect": S`class A { constructor(x) { this.x = x; } } return [Reflect.construct(A, [3]).x,
    Reflect.ownKeys({ b: 1, a: 2 }),
    Reflect.apply(Math.max, null, [1, 2]), Reflect.has({ a: 1 }, "a")];`,
  "symbols": S`const s = Symbol("d"); const o = { [s]: 1 }; return [s.description, o[s],
    Symbol.for("a") === Symbol.for("a"),
    Object.getOwnPropertySymbols(o).length, Symbol.keyFor(Symbol.for("k"))];`,
  "toPrimitive": S`const o = { [Symbol.toPrimitive]: (h) => (h === "number" ? 4 : h) }; return [+o,
    "" + o, [o] + ""];`,
  "toStringTag": S`class A { get [Symbol.toStringTag]() { return "Z"; } } return [String(new A()),
    String(null), String([1, [2]])];`,
};

export const classes = {
  "fields and methods": S`class A { a = 1; ["b" + 1] = this.a + 1; static c = 3; m() {
    return this.b1; } }
    return [new A().m(), A.c, Object.keys(new A())];`,
  "private fields": S`class A { #x = 1; get x() { return this.#x; } set x(v) { this.#x = v;
    } static has(o) { return #x in o; } }
    const a = new A(); a.x = 5; return [a.x, A.has(a), A.has({}), Object.keys(a)];`,
  "private methods": S`class A { #m() { return 2; } static #s() { return 3; } get #g() { return 4;
    } all() { return [this.#m(), A.#s(), this.#g]; } }
    return new A().all();`,
  "private members of others": S`class A { #x; static read(o) { return o.#x; } } try { A.read({});
    } catch (e) { return e.name; }`,
  "static blocks": S`class A { static #n = 1; static m; static { this.m = A.#n + 1;
    } } return A.m;`,
  "inheritance": S`class A { constructor(x) { this.x = x; } hi() { return "A" + this.x;
    } static s() { return "s"; } }
    class B extends A { constructor() { super(7); } hi() { return super.hi() + "B"; } static s() {
      return super.s() + "t"; } }
    return [new B().hi(), B.s(), new B() instanceof A, Object.getPrototypeOf(B) === A];`,
  "this before super": S`class A {} class B extends A { constructor() { this.x = 1; } } try {
    new B(); } catch (e) { return e.name; }`,
  "calling a class": S`class A {} try { A(); } catch (e) { return e.name; }`,
  "extending built-ins": S`class L extends Array { last() { return this[this.length - 1];
    } } const l = L.from([1, 2, 3]);
    return [l.last(), l.map((x) => x * 2) instanceof L, l.length];`,
  "class expressions": S`const A = class Inner { static n() { return Inner.name; } };
    return [A.n(), A.name];`,
  "accessors of classes": S`class A { static get a() { return 1; } get b() { return 2;
    } } return [A.a, new A().b, Object.keys(new A())];`,
  "generator methods": S`class A { *[Symbol.iterator]() { yield* [1, 2]; } static async *g() {
    yield 3; } }
    const r = [...new A()]; for await (const v of A.g()) r.push(v); return r;`,
  "fields see this in arrows": S`class A { v = 3; f = () => this.v; } const { f } = new A();
    return f();`,
  "mixins": S`const M = (B) => class extends B { m() { return "m"; } };
    class A extends M(Object) {} return new A().m();`,
  "extends null": S`class A extends null { static s() { return 1; } } return [A.s(),
    Object.getPrototypeOf(A.prototype)];`,
  "initialisers in order": S`const r = []; class A { a = r.push("a"); constructor() { r.push("c");
    } } class B extends A { b = r.push("b"); }
    new B(); return r;`,
};

export const iteration = {
  "generators": S`function* g() { const x = yield 1; try { yield x * 2; } finally { yield "f"; } }
    const i = g(); return [i.next(), i.next(4), i.return(9), i.next(), i.next()];`,
  "throwing into a generator": S`function* g() { try { yield 1; } catch (e) { yield e;
    } } const i = g(); i.next(); return [i.throw(5), i.next()];`,
  "delegation": S`function* a() { const r = yield* b(); yield r; } function* b() { yield 1;
    return 2; } return [...a()];`,
  "endless generators": S`function* n() { let i = 0; for (;;) yield i++; } const r = [];
    for (const v of n()) { if (v > 3) break; r.push(v); } return r;`,
  "break closes": S`let closed = 0; const it = { [Symbol.iterator]: () => ({ next: () => ({
    value: 1, done: false }), return() { closed++; return {}; } }) };
    for (const v of it) break; const [a] = it; return closed;`,
  "for in": S`class A { constructor() { this.a = 1; } } A.prototype.p = 2; const r = [];
    for (const k in new A()) r.push(k); return r;`,
  "for of over a map": S`const r = []; for (const [k, v] of new Map([["a", 1]])) r.push(k + v);
    return r;`,
  "spread of iterators": S`return [...new Set([3, 1, 3]).entries()].concat([..."é😀"]);`,
  "async iteration": S`async function* g() { for (let i = 0; i < 3; i++) { await null; yield i; } }
    const r = []; for await (const v of g()) r.push(v); return r;`,
  "for await over promises": S`const r = []; for await (const v of [Promise.resolve(1),
    2]) r.push(v); return r;`,
  "async generators return": S`async function* g() { try { yield 1; } finally { await 0;
    } } const i = g();
    return [await i.next(), await i.return(5), await i.next()];`,
  "async iterators throw": S`async function* g() { throw new RangeError("r"); } try {
    for await (const v of g()); } catch (e) { return e.name; }`,
  "entries of arrays": S`return [...["a", "b"].entries()];`,
};

export const promises = {
  "order of microtasks": S`const r = []; const p = Promise.resolve(); p.then(() => r.push(2));
    (async () => { r.push(1); await 0; r.push(3); })();
    await 0; await 0; await 0; return r;`,
  "order of thenables": S`const r = [];
    new Promise((f) => f(Promise.resolve(1))).then(() => r.push("late"));
    Promise.resolve().then(() => r.push("a"))
    .then(() => r.push("b")).then(() => r.push("c")); for (let i = 0; i < 9; i++) await 0;
      return r;`,
  "async returns a promise": S`const r = []; (async () => { return Promise.resolve(1);
    })().then(() => r.push("x"));
    let p = Promise.resolve(); for (let i = 0; i < 4; i++) p = p.then(() => r.push(i));
      for (let i = 0; i < 9; i++) await 0; return r;`,
  "all": S`return Promise.all([1, Promise.resolve(2),
    new Promise((r) => queueMicrotask(() => r(3)))]);`,
  "all rejects": S`try { await Promise.all([Promise.reject(new Error("a")), Promise.reject(1)]);
    } catch (e) { return e.message; }`,
  "allSettled": S`return Promise.allSettled([1, Promise.reject(2)]);`,
  "race and any": S`return [await Promise.race([new Promise(() => {}), 2]),
    await Promise.any([Promise.reject(1), 3])];`,
  "any rejects": S`try { await Promise.any([Promise.reject(1)]); } catch (e) { return [e.name,
    e.errors]; }`,
  "finally passes on": S`return [await Promise.resolve(1).finally(() => 2),
    await Promise.reject(3).finally(() => 4).catch((e) => e)];`,
  "finally throws": S`return Promise.resolve(1).finally(() => { throw 7; }).catch((e) => e);`,
  "thenables": S`return await { then(f) { f("t"); } };`,
  "a thenable that throws": S`try { await { then() { throw 5; } }; } catch (e) { return e; }`,
  "await in every place": S`const f = async (a) => [await a, { [await "k"]: await 2 },
    ${"`${await 3}`"}, (await 4) + (await 5)]; return f(1);`,
  "await in a loop": S`let s = 0; for (const p of [1, 2, 3].map(async (x) => x * 2)) s += await p;
    return s;`,
  "async arrows": S`const f = async ({ a }, ...b) => a + b.length; return f({ a: 1 }, 2, 3);`,
  "errors through awaits": S`const f = async () => { throw new TypeError("t"); }; try { await f();
    } catch (e) { return e.name; } finally { await 0; }`,
  "async methods": S`class A { async m() { return this.v; } v = 4; static async s() { return 5;
    } } return [await new A().m(), await A.s()];`,
  "subclasses of Promise": S`class P extends Promise {} const p = P.resolve(1).then((x) => x + 1);
    return [p instanceof P, await p];`,
  "resolving with itself": S`let r; const p = new Promise((f) => { r = f; }); r(p); try { await p;
    } catch (e) { return e.name; }`,
};

export const builtins = {
  "array methods": S`const a = [3, 1, 2]; return [a.map((x) => x + 1), a.filter((x) => x > 1),
    a.reduce((s, x) => s + x), a.some((x) => x > 2),
    a.every((x) => x > 2), a.find((x) => x < 3), a.findIndex((x) => x === 9), a.includes(1),
      a.indexOf(2), a.join("-")];`,
  "at and findLast": S`return [[1, 2, 3].at(-1), [1, 2, 3].findLast((x) => x < 3), [1,
    2].findLastIndex((x) => x > 5), "abc".at(-2)];`,
  "flat and flatMap": S`return [[1, [2, [3, [4]]]].flat(2), [1, 2].flatMap((x) => [x, [x]])];`,
  "splice and slice": S`const a = [1, 2, 3, 4, 5]; const b = a.splice(1, 2, "x"); return [a, b,
    a.slice(-2), a.fill(0, 1, 2), a.copyWithin(0, 2)];`,
  "sort is stable": S`return [..."badcfe"].map((c, i) => ({ c, k: i % 2, i })).sort((a,
    b) => a.k - b.k).map((x) => x.c).join("");`,
  "sort by text": S`return [10, 9, 1, undefined, "b", "a"].sort().concat([3, 1, 2].sort((a,
    b) => b - a));`,
  "holes": S`const a = [1, , 3]; return [a.length, 1 in a, a.map((x) => 2), Object.keys(a),
    a.indexOf(undefined)];`,
  "Array.from": S`return [Array.from({ length: 3 }, (_, i) => i * i), Array.of(7),
    Array.from("ab"), Array.isArray([])];`,
  "length": S`const a = [1, 2, 3]; a.length = 1; a[3] = 4; return [a.length, JSON.stringify(a)];`,
  "bad lengths": S`try { new Array(-1); } catch (e) { return e.name; }`,
  "reduceRight and concat": S`return ["a", "b", "c"].reduceRight((s, x) => s + x) + [1].concat(2,
    [3, [4]]).length;`,
  "string methods": S`return ["abc".padStart(5, "-"), "abc".padEnd(4, "."), " a ".trim(),
    "a-b-c".split("-", 2), "x".repeat(3), "abc".slice(-2),
    "abcabc".replaceAll("b", "_"), "aXb".toLowerCase(), "abc".includes("bc"), "abc".startsWith("b",
      1), "abc".substring(2, 0), "abc".endsWith("c")];`,
  "unicode strings": S`const s = "😀é"; return [s.length, [...s].length, s.codePointAt(0),
    String.fromCodePoint(128512), s.charCodeAt(0), "\u{1F600}" === "😀",
    "e\u0301".normalize("NFC").length, "ß".toUpperCase(), "İ".toLowerCase().length];`,
  "comparing strings": S`return ["a" < "b", "a" < "B", "10" < "9", "ä" > "z"];`,
  "templates": S`const a = 1; return ${"`a${a}b${`c${a + 1}`}\\n`"};`,
  "tagged templates": S`const t = (s, ...v) => [s, s.raw, v]; return t${"`a\\n${1}b${2}`"};`,
  "tags keep their strings": S`const t = (s) => s; const f = () => t${"`x`"}; return [f() === f(),
    Object.isFrozen(f())];`,
  "String.raw": S`return String.raw${"`\\n${1}\\u`"};`,
  "numbers as text": S`return [(255).toString(16), (0.1).toFixed(3), (1234.5678).toFixed(2),
    (1e21).toString(), (123.456).toPrecision(4), (0.000001234).toString(),
    (1e-7).toString(), (25).toString(36), (12345).toExponential(2), (-0).toString()];`,
  "parsing numbers": S`return [parseInt("12px"), parseInt("ff", 16), parseFloat("3.14abc"),
    Number("1e3"), Number(""), Number.isInteger(5.0), Number.MAX_SAFE_INTEGER];`,
  "Math": S`return [Math.trunc(-1.5), Math.sign(-3), Math.hypot(3, 4), Math.cbrt(27),
    Math.clz32(1), Math.round(-0.5) === 0, Math.fround(5.5), Math.imul(3, 4),
    Math.log2(8), Math.min(), Math.floor(-1.1), Math.atan2(0, 1)].map(String);`,
  "BigInt": S`return [2n ** 100n, -7n / 2n, -7n % 3n, 5n > 4, 1n == 1, typeof 1n, BigInt("0xff"),
    BigInt.asUintN(8, 257n), BigInt.asIntN(8, 255n), 1n << 70n].map(String);`,
  "BigInt and numbers do not mix": S`try { return 1n + 1; } catch (e) { return e.name; }`,
  "JSON out": S`return JSON.stringify({ a: [1, "x", null, undefined, () => 1], b: undefined, c: {
    toJSON: () => "j" }, d: NaN, e: new Map([[1, 2]]), f: "\u2028\ud800" });`,
  "JSON with indents and replacers": S`return [JSON.stringify({ a: [1, { b: 2 }] }, null, 2),
    JSON.stringify({ a: 1, b: 2 }, ["b"]), JSON.stringify({ a: 1 }, (k, v) => (k ? v + 1 : v))];`,
  "JSON in": S`return [JSON.parse('{"a":[1,2,{"b":null}],"__proto__":1}'), JSON.parse("[1,2]", (k,
    v) => (Array.isArray(v) ? v : v * 2))];`,
  "bad JSON": S`try { JSON.parse("{a:1}"); } catch (e) { return e.name; }`,
  "Map and Set": S`const m = new Map([[NaN, 1], ["a", 2]]); m.set({}, 3).delete("a");
    const s = new Set([1, "1", 1]); return [m.get(NaN), m.size, s.size, [...s].map(String),
    m.has("a")];`,
  "a map that changes while it is walked": S`const m = new Map([[1, 1], [2, 2]]); const r = [];
    for (const [k] of m) { r.push(k); if (k < 5) m.set(k + 2, 1); if (k === 1) m.delete(2);
    } return r;`,
  "WeakMap and WeakSet": S`const k = {}; const m = new WeakMap([[k, 1]]);
    const s = new WeakSet([k]); return [m.get(k), m.has({}), s.has(k)];`,
  "typed arrays": S`const a = new Uint8Array([1, 2, 300]); const f = new Float64Array(2).fill(0.5);
    return [[...a], [...f], a.subarray(1).length, a.buffer.byteLength,
    [...new Int16Array(a.map((x) => x * 2))], [...Uint8ClampedArray.of(-5, 300)], a.toString()];`,
  "DataView": S`const d = new DataView(new ArrayBuffer(8)); d.setInt16(0, -2); d.setFloat32(4, 1.5,
    true); return [d.getUint16(0), d.getInt8(1), d.getFloat32(4, true), d.byteLength];`,
  "array buffers": S`const b = new Uint8Array([1, 2, 3, 4]).buffer.slice(1, 3);
    return [b.byteLength, [...new Uint8Array(b)], ArrayBuffer.isView(new DataView(b))];`,
  "big typed arrays": S`const a = new BigInt64Array(1); a[0] = -1n;
    return [String(new BigUint64Array(a.buffer)[0]), String(a[0])];`,
  "dates": S`const d = new Date(Date.UTC(2024, 1, 29, 12, 30)); return [d.toISOString(),
    d.getTime(), d.getUTCDay(), JSON.stringify(d), new Date("2020-01-02T03:04:05Z").getTime(),
    Date.parse("2020-01-02"), new Date(NaN).getTime() !== 0, new Date(0).toISOString()];`,
  "date arithmetic": S`const d = new Date(0); d.setUTCDate(32); d.setUTCMonth(13);
    return [d.toISOString(), new Date(d - 1000).toISOString(), new Date(2020, 0,
    1) instanceof Date];`,
  "global functions": S`return [encodeURIComponent("ä b&c"), decodeURIComponent("%C3%A4"),
    encodeURI("a b/ü"), isNaN("x"), isFinite("5"), escape("ä"), unescape("%E4")];`,
  "URI errors": S`try { decodeURIComponent("%"); } catch (e) { return e.name; }`,
  "Object methods": S`const o = Object.assign(Object.create({ p: 1 }), { a: 1 });
    return [Object.keys(o), o.p, Object.isSealed(Object.seal({})), Object.values("ab"),
    Object.getOwnPropertyNames("ab")];`,
  "bind, call, apply": S`function f(...a) { return [this.v, ...a]; } const b = f.bind({ v: 1 }, 2);
    return [b(3), f.call({ v: 4 }, 5), f.apply({ v: 6 }, [7]), b.name, b.length];`,
  "globalThis": S`return [typeof globalThis, globalThis.Array === Array, typeof require,
    typeof window];`,
  "deep recursion is a RangeError": S`const f = (n) => f(n + 1) + 1; try { f(0); } catch (e) {
    return [e.name, e instanceof RangeError]; }`,
  "stack is a text": S`return typeof new Error("x").stack;`,
};

export const expressions = {
  "groups": S`return /(\d+)-(\w)?(z)?/.exec("a12-b").slice();`,
  "named groups": S`const m = /(?<y>\d{4})-(?<m>\d\d)/u.exec("on 2024-05"); return [{
    ...m.groups }, m.index, "2024-05".replace(/(?<a>\d+)-(?<b>\d+)/, "$<b>/$<a>")];`,
  "lookbehind": S`return ["$10 €20".match(/(?<=\$)\d+/)[0], "a1b2".replace(/(?<!a)\d/g, "_"),
    /(?<=(\d+)(\d+))$/.exec("1053").slice()];`,
  "lookahead": S`return ["foobar foobaz".match(/foo(?=baz)/).index,
    "1234567".replace(/\B(?=(\d{3})+$)/g, ",")];`,
  "back references": S`return [/(a)(b)?\2\1/.test("aa"), /(?<q>['"]).*?\k<q>/.exec("x 'y' z")[0]];`,
  "sticky": S`const r = /a/y; r.lastIndex = 1; return [r.test("ba"), r.lastIndex, r.test("ba"),
    r.lastIndex];`,
  "global and lastIndex": S`const r = /a(.)/g; const out = []; let m;
    while ((m = r.exec("ab ac"))) out.push(m[1], r.lastIndex); return out;`,
  "matchAll": S`return [..."a1b2".matchAll(/([a-z])(\d)/g)].map((m) => [m[1], m[2], m.index]);`,
  "dot and lines": S`return [/a.b/.test("a\nb"), /a.b/s.test("a\nb"), "x\ny".match(/^y$/m)[0]];`,
  "unicode classes": S`return ["äÖ1".match(/\p{L}/gu), /^\P{Lu}$/u.test("a"),
    /\p{Script=Greek}/u.test("α"), "😀".match(/./u)[0].length, /^.$/.test("😀")];`,
  "case folding": S`return [/ÄÖ/i.test("äö"), /\u212a/iu.test("k"), /[a-z]/i.test("K")];`,
  "indices": S`return /a(?<z>b)/d.exec("xab").indices[1];`,
  "replace with a function": S`return "a-b".replace(/(\w)-(?<n>\w)/, (all, x, y, at, s, g) => [all,
    x, y, at, s, g.n].join());`,
  "replacement patterns": S`return "abc".replace(/(b)/, "[$1$&$\`$'$$]");`,
  "split by pattern": S`return ["a1b2c".split(/\d/), "a1b".split(/(\d)/), "".split(/x/),
    "abc".split(/(?:)/u)];`,
  "lazy and greedy": S`return ["<a><b>".match(/<.+?>/)[0], "<a><b>".match(/<.+>/)[0],
    "aaa".match(/a{2}/)[0], "aaa".match(/a{1,2}?/)[0]];`,
  "flags and source": S`const r = new RegExp("a/b", "gi"); return [r.flags, r.source, String(r),
    r.ignoreCase];`,
  "bad patterns": S`try { new RegExp("("); } catch (e) { return e.name; }`,
  "search and test": S`return ["abc".search(/c/), /^$/.test(""), RegExp("[\\]]").test("]")];`,
};

export const minified = {
  "sequences": S`var e=1,t=2,n=(e++,t--,e+t);return n?(n>2&&(e=9),[e,t,n]):void 0`,
  "conditions without if": S`const f=e=>e?e>1?"many":"one":"none";return[f(0),f(1),f(2)]`,
  "functions in functions":
    S`return(e=>{let t=[];for(let n of e)t.push((e=>e*e)(n));return t})([1,2,3])`,
  "returns in blocks": S`const a=!0;if(!a)return 1;{const e=2;if(a)return e}return 3`,
  "negated calls":
    S`let r=[];!function(){r.push(1)}(),+function(){r.push(2)}(),void function(){r.push(3)}()
return r`,
  "regexes after brackets":
    S`const a=[1],s="a/b";if(a)/b/.test(s)&&a.push(2);return[a[0]/1,a.length/2,s.split(/\//g)]`,
  "keywords as names":
    S`const o={if:1,class:2,new:3,get:4,set:5,async:6,of:7,default:8};
return[o.if+o.class+o.new,o.get,o.set,o.async,o.of,o.default]`,
  "a module pattern":
    S`var m=function(e){return e.x=function(){return e.y},e.y=4,e}({});return m.x()`,
  "async in sequences":
    S`let r=[];const f=async e=>(await 0,r.push(e),e);
return await f(1),await Promise.all([f(2),f(3)]),r`,
  "spread everywhere":
    S`const{a:e,...t}={a:1,b:2,c:3},n=[...Object.keys(t),...[e]];
return{...t,n,l:[..."ab"].map((e,t)=>e+t)}`,
  "optional everything":
    S`const e={a:null,f:t=>t?.length??-1};return[e?.a?.b?.c,e.f?.("ab"),e.g?.(1),e?.f?.(null)]`,
  "assignments as values": S`let a,b,c;a=b=c=4;let d=(a+=2)*(b-=1);return[a,b,c,d,c>>=1]`,
  "in and of": S`for(var e in{a:1,b:2});for(var t of[5,6]);return[e,t]`,
};
