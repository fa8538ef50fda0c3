// json.mjs: JSON as it was served: members in their order, numbers and strings as they are written.
//
// JSON.parse loses what goldens have to notice: the order of members named by numbers, members
// that occur twice, and the difference between 0.2 and 0.200.

const TOKEN = /[\s]+|[{}[\]:,]|"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null/y;

/** A node is {scalar}, {items: [node]} or {members: [{key, node}]}; scalars and keys are the text
 *  that was served. */
export function parse(text) {
  const tokens = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const { lastIndex } = TOKEN;
    const match = TOKEN.exec(text);
    if (match === null) throw new Error(`not JSON at ${lastIndex}: ${text.slice(lastIndex, 80)}`);
    if (match[0].trim() !== "") tokens.push(match[0]);
  }
  let at = 0;
  const expect = (token) => {
    if (tokens[at++] !== token) throw new Error(`not JSON: no ${token} in ${text.slice(0, 200)}`);
  };
  const list = (end, read) => {
    const found = [];
    at++;
    while (tokens[at] !== end) {
      if (found.length > 0) expect(",");
      found.push(read());
    }
    at++;
    return found;
  };
  const member = () => {
    const key = tokens[at++];
    expect(":");
    return { key, node: value() };
  };
  function value() {
    if (tokens[at] === "{") return { members: list("}", member) };
    if (tokens[at] === "[") return { items: list("]", value) };
    if (/^[\]},:]$/.test(tokens[at] ?? ",")) throw new Error(`not JSON: ${text.slice(0, 200)}`);
    return { scalar: tokens[at++] };
  }
  const whole = value();
  if (at !== tokens.length) throw new Error(`more than one value: ${text.slice(0, 200)}`);
  return whole;
}

/** The node with every scalar replaced by what `change` gives for (text, key of the member that it
 *  is or is in, keys above). */
export function changed(node, change, keys = []) {
  if (node.members) {
    return {
      members: node.members.map((one) => ({
        key: change(one.key, undefined, keys),
        node: changed(one.node, change, [...keys, one.key.slice(1, -1)]),
      })),
    };
  }
  if (node.items) return { items: node.items.map((one) => changed(one, change, keys)) };
  return { scalar: change(node.scalar, keys.at(-1), keys.slice(0, -1)) };
}

const flat = (node) => {
  if (node.members) {
    if (node.members.length === 0) return "{}";
    return `{ ${node.members.map(({ key, node: one }) => `${key}: ${flat(one)}`).join(", ")} }`;
  }
  return node.items ? `[${node.items.map(flat).join(", ")}]` : node.scalar;
};

const WIDTH = 100;

/** A value on one line where it fits, else a line for each member or item. */
export function print(node, indent = "", before = 0) {
  const line = flat(node);
  if (node.scalar !== undefined || indent.length + before + line.length <= WIDTH) return line;
  const deeper = `${indent}  `;
  const rows = node.members
    ? node.members.map(({ key, node: one }) => `${key}: ${print(one, deeper, key.length + 2)}`)
    : node.items.map((one) => print(one, deeper));
  const [open, close] = node.members ? "{}" : "[]";
  return `${open}\n${rows.map((row) => deeper + row).join(",\n")}\n${indent}${close}`;
}
