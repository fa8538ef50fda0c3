// schemas.js: schemas of agent(), where they stand in the script as literals: as the option itself,
// or as a variable that is declared once, with the literal. The daemon compiles them, and so knows
// which a run would refuse (decisions/025): it gets the value, and where each part of it stands.

const BYTES_MAX = 200 << 10; // Of all values and places together.
const DEPTH_MAX = 64;

class NoLiteral extends Error {}

/** Value of a literal without variables, calls and holes. Of each part, `places` gets the node. */
const read = (node, path, places, depth = 0) => {
  if (depth > DEPTH_MAX) throw new NoLiteral();
  const inner = node.type === "UnaryExpression" ? node.argument : node;
  if (node.type === "Literal" && !node.regex && node.bigint === undefined) return node.value;
  if (inner !== node && /^[-+]$/.test(node.operator) && typeof inner.value === "number") {
    return node.operator === "-" ? -inner.value : inner.value;
  }
  if (node.type === "TemplateLiteral" && node.quasis.length === 1) {
    return node.quasis[0].value.cooked;
  }
  if (node.type === "ArrayExpression") {
    return node.elements.map((item, i) => {
      if (item === null) throw new NoLiteral();
      places.set(`${path}/${i}`, item);
      return read(item, `${path}/${i}`, places, depth + 1);
    });
  }
  if (node.type !== "ObjectExpression") throw new NoLiteral();
  const value = Object.create(null);
  for (const property of node.properties) {
    const { key } = property;
    if (property.type !== "Property" || property.computed || property.shorthand ||
      property.method || property.kind !== "init") {
      throw new NoLiteral();
    }
    const name = key.type === "Identifier" ? key.name : String(key.value);
    if (name in value || name === "__proto__") throw new NoLiteral();
    places.set(`${path}/${name}`, key);
    value[name] = read(property.value, `${path}/${name}`, places, depth + 1);
  }
  return value;
};

/** The object that a variable is declared with, if nothing else declares or assigns the name. */
const objectOf = (tree, { name }) => {
  const marks = tree.names.get(name)?.marks ?? [];
  const declared = marks.length === 1 && marks[0].up.type === "VariableDeclarator"
    ? marks[0].up.init : undefined;
  return declared?.type === "ObjectExpression" ? declared : undefined;
};

export const handSchema = (judge, value) => {
  const object = value.type === "Identifier" ? objectOf(judge.tree, value) : value;
  judge.schemas ??= { seen: new Set(), bytes: 0 };
  if (object?.type !== "ObjectExpression" || judge.schemas.seen.has(object)) return;
  judge.schemas.seen.add(object);
  const places = new Map([["#", object]]);
  try {
    const schema = read(object, "#", places), told = Object.create(null);
    for (const [path, node] of places) told[path] = judge.placeOf(node);
    judge.schemas.bytes += JSON.stringify([schema, told]).length;
    if (judge.schemas.bytes <= BYTES_MAX) judge.hand({ schema, places: told });
  } catch (error) {
    if (!(error instanceof NoLiteral)) throw error;
  }
};
