/** Code in colours: runs of a kind, for 15 languages. */
import bash from "highlight.js/lib/languages/bash";
import cpp from "highlight.js/lib/languages/cpp";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import go from "highlight.js/lib/languages/go";
import java from "highlight.js/lib/languages/java";
import json from "highlight.js/lib/languages/json";
import python from "highlight.js/lib/languages/python";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";
import { createLowlight } from "lowlight";

import type { Run } from "./tree.ts";

const lowlight = createLowlight({
  bash, cpp, css, diff, go, java, json, python, rust, sql, typescript, xml, yaml,
});
// The grammar of the larger language reads the smaller one, too: its own would say it twice.
lowlight.registerAlias({ cpp: ["c", "h"], typescript: ["javascript", "js", "jsx", "mjs", "cjs"] });

type Tree = ReturnType<typeof lowlight.highlight>;

function kindOf(classes: unknown): string {
  const first: unknown = Array.isArray(classes) ? classes[0] : undefined;
  return typeof first === "string" ? first.replace(/^hljs-/, "") : "";
}

/** Adds the text of a node to the runs; neighbours of the same kind become one. */
function flatten(nodes: Tree["children"], kind: string, runs: Run[]): void {
  for (const node of nodes) {
    if (node.type === "element") {
      flatten(node.children as Tree["children"], kindOf(node.properties.className) || kind, runs);
    } else if (node.type === "text") {
      const last = runs[runs.length - 1];
      if (last !== undefined && last[0] === kind) last[1] += node.value;
      else runs.push([kind, node.value]);
    }
  }
}

/** null: the language is not known, or reading it failed. Then the code has no colours. */
export function coloured(language: string, text: string): Run[] | null {
  if (!lowlight.registered(language)) return null;
  const runs: Run[] = [];
  try {
    flatten(lowlight.highlight(language, text).children, "", runs);
  } catch {
    return null; // Nested too deep for the stack.
  }
  return runs;
}
