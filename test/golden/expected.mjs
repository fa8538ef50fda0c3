// expected.mjs: what the description of a route lets one expect of a request: "taken", or the
// refusal with its sentence. undefined: the description does not say.

const KINDS = {
  string: "a string", integer: "an integer", boolean: "true or false", object: "an object",
  array: "an array",
};
const MEDIA = "415 unsupported_media_type: send 'Content-Type: application/json'";
const NONE = "line 1, column 1: a JSON value is expected, and nothing is there";
const CUT = "line 1, column 2: the text ends where a key in double quotes is expected";
const NO_OWNER = "owner: not a valid name (1 to 64 of a-z, 0-9, '_', '.', '-')";
const BROKEN = {
  "": `400 bad_json: ${NONE}`,
  "{": `400 bad_json: ${CUT}`,
  "[]": "400 bad_field: an object is expected, not an array",
  7: "400 bad_field: an object is expected, not an integer",
  '{"a":1,"a":2}': '400 bad_json: line 1, column 8: the key "a" is a duplicate',
};

/** How a sentence names the value that was given. */
function given(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "boolean") return "a boolean";
  if (typeof value === "number") {
    return Number.isInteger(value) ? "an integer" : "a number with a fraction or an exponent";
  }
  return typeof value === "string" ? "a string" : "an object";
}

const typeOf = (value) => {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
};

const quoted = (words) => words.map((word) => `"${word}"`).join(", ");

/** The fault of a text; "" where there is none. */
function faultOfText(name, { minLength: min = 0, maxLength: max, enum: words }, value) {
  const size = Buffer.byteLength(value);
  if (words?.includes(value)) return "";
  if (words) return `"${name}": '${value}' is not one of ${quoted(words)}`;
  if (size >= min && (max === undefined || size <= max)) return "";
  return `"${name}" must have a length in bytes from ${min} to ${max}, not ${size}`;
}

function faultOfNumber(name, { minimum: min, maximum: max }, value) {
  if ((min ?? value) <= value && value <= (max ?? value)) return "";
  return `"${name}" must be from ${min} to ${max}, not ${value}`;
}

function faultOfObject(name, { properties = {} }, value) {
  for (const [inner, one] of Object.entries(value)) {
    if (!(inner in properties)) return undefined;
    const fault = faultOf(inner, properties[inner], one);
    if (fault !== "") return fault && `"${name}": ${fault}`;
  }
  return "";
}

/** The fault of one member; undefined: the schema has no kind that says it. */
function faultOf(name, schema, value) {
  const types = schema.enum ? ["string"] : [schema.type].flat();
  const [type] = types;
  if (!(type in KINDS) || schema.oneOf) return undefined;
  if (value === null && types.includes("null")) return "";
  const strings = type === "array" && schema.items?.type === "string";
  if (typeOf(value) !== type) {
    return `"${name}" must be ${KINDS[type]}${strings ? " of strings" : ""}, not ${given(value)}`;
  }
  if (type === "string") return faultOfText(name, schema, value);
  if (type === "object") return faultOfObject(name, schema, value);
  if (type === "integer") return faultOfNumber(name, schema, value);
  if (strings && value.some((one) => typeof one !== "string")) {
    const at = value.findIndex((one) => typeof one !== "string");
    return `"${name}"[${at}] must be a string, not ${given(value[at])}`;
  }
  return "";
}

export function expectedOfBody({ schema, body }, value) {
  if (value === undefined) return body && MEDIA;
  if (typeof value === "string") return BROKEN[value];
  const missing = (schema.required ?? []).find((name) => !(name in value));
  const unknown = Object.keys(value).find((name) => !(name in schema.properties));
  if (unknown !== undefined) {
    const known = quoted(Object.keys(schema.properties));
    return `400 unknown_field: the field "${unknown}" is unknown; known fields: ${known}`;
  }
  for (const [name, one] of Object.entries(value)) {
    const fault = faultOf(name, schema.properties[name], one);
    if (fault !== "") return fault && `400 bad_field: ${fault}`;
  }
  return missing === undefined ? "taken" : `400 missing_field: the field "${missing}" is missing`;
}

function faultOfWord(name, { type, maximum, minimum, maxLength, enum: words }, word) {
  const where = `query parameter '${name}'`;
  if (type === "string") {
    const tooLong = Buffer.byteLength(word) > maxLength;
    return tooLong ? `${where} is longer than ${maxLength} bytes` : "";
  }
  if (words?.map(String).includes(word)) return "";
  if (words) return `${where} must be ${words.join(" or ")}`;
  const fits = /^-?\d+$/.test(word) && BigInt(word) >= (minimum ?? 0) && BigInt(word) <= maximum;
  return fits ? "" : `${where} must be an integer from ${minimum} to ${maximum}`;
}

export function expectedOfQuery({ parameters }, query) {
  for (const [name, word] of query) {
    if (name === "owner" && word === "!") return `400 bad_query: ${NO_OWNER}`;
    const one = parameters.find((known) => known.name === name);
    const fault = one
      ? faultOfWord(name, one.schema, word)
      : `query parameter '${name}' is unknown here`;
    if (fault !== "") return `400 bad_query: ${fault}`;
  }
  return undefined;
}
